import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { type Credentials, NO_PASSWORD, randomCredentials } from "../../clickhouse_server/credentials.ts";
import { serveEmbedded } from "../../clickhouse_server/start.ts";
import { messageOf } from "../../errors.ts";
import { portNumber, usageError } from "../arguments.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printLine } from "../output.ts";

interface ClickhouseOptions extends GlobalOptions {
  readonly path: string;
  readonly port: number;
  readonly passwordFile?: string;
  /** False with --no-password. */
  readonly password: boolean;
}

export function addClickhouse(program: Command, cli: CliEnvironment): void {
  program
    .command("clickhouse")
    .description("serve a folder with the embedded ClickHouse engine, for people and BI tools to query over HTTP")
    .requiredOption("--path <folder>", "the data; created if missing")
    .option("--port <n>", "on 127.0.0.1; 0 picks a free one", portNumber, 8123)
    .option("--password-file <file>", "the password of the user default; without it, a new one is made and printed")
    .option("--no-password", "let every user of this machine read and change the data")
    .addHelpText(
      "after",
      "\nStatements that read or write anything but the folder are refused: file(), url(), s3() and the like.\n" +
        "\nExample:\n  replayport clickhouse --path ./data/clickhouse --port 8123" +
        "\n  curl -u default:PASSWORD 'http://127.0.0.1:8123/?query=SELECT+count()+FROM+session_replay_events'",
    )
    .action(async (_options, command: Command) => {
      await clickhouse(cli, command.optsWithGlobals());
    });
}

async function clickhouse(cli: CliEnvironment, options: ClickhouseOptions): Promise<void> {
  const { path, port, passwordFile } = options;
  const credentials = await credentialsOf(options);
  await serveEmbedded({ path, port, credentials, signal: cli.signal }, ({ url }) => {
    printLine(cli.stdout, `ClickHouse answers at ${url} (Ctrl-C stops it)`);
    if (credentials === NO_PASSWORD) printLine(cli.stdout, "without a password, to every user of this machine");
    else if (passwordFile !== undefined) printLine(cli.stdout, `user default, password of ${passwordFile}`);
    else printLine(cli.stdout, `user default, password ${credentials.password} (until it stops)`);
  });
}

async function credentialsOf({ passwordFile, password }: ClickhouseOptions): Promise<Credentials> {
  if (!password && passwordFile !== undefined) {
    throw usageError("--password-file and --no-password exclude each other", "Keep one of the two.");
  }
  if (!password) return NO_PASSWORD;
  if (passwordFile === undefined) return randomCredentials();
  const text = await readFile(passwordFile, "utf8").catch((cause: unknown) => {
    throw usageError(`can't read ${passwordFile}: ${messageOf(cause)}`, "Check the path of --password-file.");
  });
  const [given = ""] = text.split(/\r?\n/);
  if (given === "") throw usageError(`${passwordFile} has no password`, "Write one into its first line.");
  return { username: NO_PASSWORD.username, password: given };
}
