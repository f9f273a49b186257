import { hostname, userInfo } from "node:os";
import type { Command } from "commander";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { openFleetHost } from "../fleet_host.ts";
import { printLine } from "../output.ts";

const me = (): string => `${userInfo().username}@${hostname()}`;

export function addPause(program: Command, cli: CliEnvironment): void {
  program
    .command("pause")
    .description("put nothing more of an export into the queue; what runs is finished")
    .argument("<export>", "the export")
    .option("--reason <text>", "for those who wonder", "paused by hand")
    .addHelpText("after", '\nExample:\n  replayport pause replays --reason "the warehouse moves tonight"')
    .action(async (name: string, _options, command: Command) => {
      const options: GlobalOptions & { reason: string } = command.optsWithGlobals();
      await using host = await openFleetHost(cli, options);
      const { paused } = await host.fleet.pause(name, options.reason, me(), cli.signal);
      printLine(cli.stdout, `${name}: paused since ${paused?.since.toISOString() ?? "now"}: ${paused?.reason ?? ""}`);
      printLine(cli.stdout, `To go on: replayport resume ${name}`);
    });
}

export function addResume(program: Command, cli: CliEnvironment): void {
  program
    .command("resume")
    .description("end a pause, forget the failures, and try again what failed")
    .argument("<export>", "the export")
    .addHelpText("after", "\nExample:\n  replayport resume replays")
    .action(async (name: string, _options, command: Command) => {
      await using host = await openFleetHost(cli, command.optsWithGlobals());
      await host.fleet.resume(name, me(), cli.signal);
      printLine(cli.stdout, `${name}: goes on`);
    });
}
