import type { Command } from "commander";
import { wholeNumber } from "../arguments.ts";
import type { CliEnvironment } from "../environment.ts";
import { type ProcessOptions, runFleet } from "../fleet_process.ts";

export function addServe(program: Command, cli: CliEnvironment): void {
  program
    .command("serve")
    .description("scheduler, worker and HTTP side in one process, for one machine with Redis")
    .option("--concurrency <n>", "batches at the same time (default: 2)", wholeNumber)
    .option(
      "--grace <duration>",
      "after SIGTERM, how long running batches may take before they are released to other workers",
      "30s",
    )
    .option("--http <address>", "listen for HTTP there, and not where the config says: 8080, 0.0.0.0:8080")
    .addHelpText("after", "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport serve")
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: true, worker: true }, { http: options.http ?? true, alerts: true });
    });
}
