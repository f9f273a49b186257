import type { Command } from "commander";
import type { Backfill } from "../../fleet/fleet.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { backfillLine, openFleetHost } from "../fleet_host.ts";
import { plural, printJson, printLine, time } from "../output.ts";

export function addBackfills(program: Command, cli: CliEnvironment): void {
  program
    .command("backfills")
    .description("show the backfills of the fleet, their progress and failures")
    .argument("[id]", "one backfill, with its failures (default: all)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  replayport backfills\n  replayport backfills 3hojiaoj --json")
    .action(async (id: string | undefined, _options, command: Command) => {
      const options: GlobalOptions = command.optsWithGlobals();
      await using host = await openFleetHost(cli, options);
      const found =
        id === undefined ? await host.fleet.backfills(cli.signal) : [await host.fleet.backfill(id, cli.signal)];
      if (options.json === true) printJson(cli.stdout, id === undefined ? found : found[0]);
      else if (found.length === 0) printLine(cli.stdout, "no backfills");
      else for (const one of found) show(cli, one, id !== undefined);
    });
}

export function addCancel(program: Command, cli: CliEnvironment): void {
  program
    .command("cancel")
    .description("cancel a backfill of the fleet; what it has loaded stays")
    .argument("<id>", "as shown by: replayport backfills")
    .option("--json", "print JSON: the API's backfill")
    .addHelpText("after", "\nExample:\n  replayport cancel 3hojiaoj")
    .action(async (id: string, _options, command: Command) => {
      const options: GlobalOptions = command.optsWithGlobals();
      await using host = await openFleetHost(cli, options);
      const cancelled = await host.fleet.cancelBackfill(id, cli.signal);
      if (options.json === true) printJson(cli.stdout, cancelled);
      else show(cli, cancelled, false);
    });
}

export function addRetry(program: Command, cli: CliEnvironment): void {
  program
    .command("retry")
    .description("retry failed intervals now")
    .argument("<export-or-backfill>", "an export, or the id of a backfill")
    .option("--json", "print JSON: how many intervals, or the API's backfill")
    .addHelpText("after", "\nExamples:\n  replayport retry replays\n  replayport retry 3hojiaoj")
    .action(async (name: string, _options, command: Command) => {
      const options: GlobalOptions = command.optsWithGlobals();
      await using host = await openFleetHost(cli, options);
      if (host.context.config.exports.some((one) => one.name === name)) {
        const count = await host.fleet.retry(name, cli.signal);
        if (options.json === true) printJson(cli.stdout, { intervals: count });
        else printLine(cli.stdout, `${name}: ${plural(count, "interval")} to retry`);
      } else {
        const backfill = await host.fleet.retryBackfill(name, cli.signal);
        if (options.json === true) printJson(cli.stdout, backfill);
        else show(cli, backfill, false);
      }
    });
}

function show(cli: CliEnvironment, one: Backfill, failures: boolean): void {
  printLine(cli.stdout, backfillLine(one, cli.now()));
  if (!failures) return;
  for (const { interval, error } of one.failures) {
    printLine(cli.stdout, `  ${time(interval.start)} … ${time(interval.end)}: ${error.message}`);
    if (error.hint !== undefined) printLine(cli.stdout, `    what to do: ${error.hint}`);
  }
  if (one.failed > 0) printLine(cli.stdout, `To retry them: replayport retry ${one.id}`);
}
