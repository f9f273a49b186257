import type { Command } from "commander";
import { serveEmbedded } from "../../clickhouse_server/start.ts";
import { portNumber } from "../arguments.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printLine } from "../output.ts";

interface ClickhouseOptions extends GlobalOptions {
  readonly path: string;
  readonly port: number;
}

export function addClickhouse(program: Command, cli: CliEnvironment): void {
  program
    .command("clickhouse")
    .description("start the embedded ClickHouse engine on a folder, for people and BI tools to query over HTTP")
    .requiredOption("--path <folder>", "the data; made where it does not exist")
    .option("--port <n>", "on 127.0.0.1; 0 takes a free one", portNumber, 8123)
    .addHelpText(
      "after",
      "\nExample:\n  replayport clickhouse --path ./data/clickhouse --port 8123" +
        "\n  curl 'http://127.0.0.1:8123/?query=SELECT+count()+FROM+session_replay_events'",
    )
    .action(async (_options, command: Command) => {
      await clickhouse(cli, command.optsWithGlobals());
    });
}

async function clickhouse(cli: CliEnvironment, options: ClickhouseOptions): Promise<void> {
  await serveEmbedded({ path: options.path, port: options.port, signal: cli.signal }, ({ url }) => {
    printLine(cli.stdout, `ClickHouse answers at ${url} (Ctrl-C stops it)`);
  });
}
