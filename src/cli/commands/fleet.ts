/** `scheduler`, `worker` and `serve`: the processes of the fleet. */
import type { Command } from "commander";
import { wholeNumber } from "../arguments.ts";
import type { CliEnvironment } from "../environment.ts";
import { type ProcessOptions, runFleet } from "../fleet_process.ts";

export function addScheduler(program: Command, cli: CliEnvironment): void {
  withHttp(program.command("scheduler"))
    .description("add intervals that are due to the queue, until stopped (needs Redis)")
    .addHelpText(
      "after",
      "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport scheduler --http 8080" +
        "\n\nYou can run two: neither repeats what the other has added. On SIGTERM it exits with 0.",
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: true, worker: false }, { http: options.http, alerts: true });
    });
}

export function addWorker(program: Command, cli: CliEnvironment): void {
  withHttp(withBatches(program.command("worker")))
    .description("load batches from the queue, until stopped (needs Redis)")
    .addHelpText(
      "after",
      "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport worker --concurrency 4 --grace 2m" +
        "\n\nRun as many workers as you like, on any machines. On SIGTERM, a worker finishes its batches and exits with 0." +
        "\nOn a second signal it exits at once, and another worker takes over.",
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: false, worker: true }, { http: options.http, alerts: false });
    });
}

export function addServe(program: Command, cli: CliEnvironment): void {
  withBatches(program.command("serve"))
    .description("run scheduler, worker and HTTP server in one process (needs Redis)")
    .option("--http <address>", "listen for HTTP at this address instead of the config's: 8080, 0.0.0.0:8080")
    .addHelpText("after", "\nExample:\n  REDIS_URL=redis://127.0.0.1:6379 replayport serve")
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ProcessOptions>();
      await runFleet(cli, options, { scheduler: true, worker: true }, { http: options.http ?? true, alerts: true });
    });
}

const withHttp = (command: Command): Command =>
  command.option("--http [address]", "listen for HTTP, at the config's address or this one: 8080, 0.0.0.0:8080");

const withBatches = (command: Command): Command =>
  command
    .option("--concurrency <n>", "batches to load at the same time (default: 2)", wholeNumber)
    .option("--grace <duration>", "how long running batches have to finish after SIGTERM", "30s");
