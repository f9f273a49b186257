import type { Command } from "commander";
import type { CliEnvironment } from "../environment.ts";
import { type ProcessOptions, runFleet } from "../fleet_process.ts";

export function addScheduler(program: Command, cli: CliEnvironment): void {
  program
    .command("scheduler")
    .description("put into the queue what is due, each minute, until it is stopped (needs Redis)")
    .option("--http [address]", "listen for HTTP, at the config's address or at this one: 8080, 0.0.0.0:8080")
    .addHelpText(
      "after",
      "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport scheduler --http 8080" +
        "\n\nTwo of them do no harm: what one has put into the queue, the other leaves alone." +
        "\nSIGTERM ends it with exit code 0.",
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: true, worker: false }, { http: options.http, alerts: true });
    });
}
