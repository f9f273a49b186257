import type { Command } from "commander";
import type { CliEnvironment } from "../environment.ts";
import { FLEET_PARTS } from "../fleet_parts.ts";
import { runFleet } from "../fleet_process.ts";

export function addScheduler(program: Command, cli: CliEnvironment): void {
  program
    .command("scheduler")
    .description("put into the queue what is due, each minute, until it is stopped (needs Redis)")
    .addHelpText("after", "\nTwo of them do no harm: what one has put into the queue, the other leaves alone.")
    .action(async (_options, command: Command) => {
      await runFleet(cli, command.optsWithGlobals(), { scheduler: true, worker: false }, FLEET_PARTS);
    });
}
