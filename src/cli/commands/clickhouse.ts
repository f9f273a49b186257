import { once } from "node:events";
import type { Command } from "commander";
import { startEmbedded } from "../../source/embedded/start.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printLine } from "../output.ts";

interface ClickhouseOptions extends GlobalOptions {
  readonly path: string;
  readonly port: string;
}

export function addClickhouse(program: Command, cli: CliEnvironment): void {
  program
    .command("clickhouse")
    .description("start the embedded ClickHouse engine on a folder, for people and BI tools to query over HTTP")
    .requiredOption("--path <folder>", "the data; made where it does not exist")
    .option("--port <n>", "on 127.0.0.1", "8123")
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
  await using engine = await startEmbedded({ path: options.path, port: Number(options.port), signal: cli.signal });
  printLine(cli.stdout, `ClickHouse answers at ${engine.url} (Ctrl-C stops it)`);
  await Promise.race([engine.exited, once(cli.signal, "abort")]);
}
