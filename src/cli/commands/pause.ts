import type { Command } from "commander";
import { withState } from "../../fleet/condition.ts";
import { hasControls } from "../../text.ts";
import { operator, usageError } from "../arguments.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { openFleetHost } from "../fleet_host.ts";
import { printJson, printLine } from "../output.ts";

export function addPause(program: Command, cli: CliEnvironment): void {
  program
    .command("pause")
    .description("stop adding an export's intervals to the queue; running batches finish")
    .argument("<export>", "the export")
    .option("--reason <text>", "why, for anyone who looks at the status", "paused by hand")
    .option("--json", "print JSON: the API's export")
    .addHelpText("after", '\nExample:\n  replayport pause replays --reason "the warehouse moves tonight"')
    .action(async (name: string, _options, command: Command) => {
      const options: GlobalOptions & { reason: string } = command.optsWithGlobals();
      if (hasControls(options.reason)) throw usageError("--reason has control characters", "Write one line of text.");
      await using host = await openFleetHost(cli, options);
      const status = await host.fleet.pause(name, options.reason, operator(), cli.signal);
      if (options.json === true) return printJson(cli.stdout, withState(status));
      const { paused } = status;
      printLine(cli.stdout, `${name} paused since ${paused?.since.toISOString() ?? "now"}: ${paused?.reason ?? ""}`);
      printLine(cli.stdout, `To resume: replayport resume ${name}`);
    });
}

export function addResume(program: Command, cli: CliEnvironment): void {
  program
    .command("resume")
    .description("resume a paused export: forget its failures, and retry what failed")
    .argument("<export>", "the export")
    .option("--json", "print JSON: the API's export")
    .addHelpText("after", "\nExample:\n  replayport resume replays")
    .action(async (name: string, _options, command: Command) => {
      const options: GlobalOptions = command.optsWithGlobals();
      await using host = await openFleetHost(cli, options);
      const status = await host.fleet.resume(name, operator(), cli.signal);
      if (options.json === true) return printJson(cli.stdout, withState(status));
      printLine(cli.stdout, `${name} resumed`);
    });
}
