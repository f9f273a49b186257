import type { Command } from "commander";
import { wholeNumber } from "../arguments.ts";
import type { CliEnvironment } from "../environment.ts";
import { type ProcessOptions, runFleet } from "../fleet_process.ts";

export function addWorker(program: Command, cli: CliEnvironment): void {
  program
    .command("worker")
    .description("take batches from the queue and load them, until it is stopped (needs Redis)")
    .option("--concurrency <n>", "batches at the same time (default: 2)", wholeNumber)
    .option(
      "--grace <duration>",
      "after SIGTERM, how long running batches may take before they are released to other workers",
      "30s",
    )
    .option("--http [address]", "listen for HTTP, at the config's address or at this one: 8080, 0.0.0.0:8080")
    .addHelpText(
      "after",
      "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport worker --concurrency 4 --grace 2m" +
        "\n\nStart as many as you like, on as many machines. SIGTERM ends it with exit code 0, after the batches that run." +
        "\nA second signal leaves at once; another worker then takes over.",
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: false, worker: true }, { http: options.http, alerts: false });
    });
}
