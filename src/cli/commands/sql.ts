import { type Command, Option } from "commander";
import { type Follow, type Reader, currentRowsSql } from "../../../destinations/lake/read_sql.ts";
import { type ExportDefinition, fileExtension } from "../../export/definition.ts";
import type { Column } from "../../models/column.ts";
import { SESSION_REPLAYS_KEY } from "../../models/session_replays.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printLine } from "../output.ts";

interface SqlOptions extends GlobalOptions {
  readonly engine: Reader;
  readonly follow: Follow;
}

const ENGINES = [
  "duckdb",
  "clickhouse",
  "athena",
  "trino",
  "snowflake",
  "bigquery",
] as const satisfies readonly Reader[];
const FOLLOW = ["folder", "manifests"] as const satisfies readonly Follow[];

export function addSql(program: Command, cli: CliEnvironment): void {
  program
    .command("sql")
    .description("print the SQL with which an engine reads the current row of each session from a lake")
    .argument("[export]", "the export; may be left out where there is one")
    .addOption(new Option("--engine <name>", "who will read").choices(ENGINES).default("duckdb"))
    .addOption(
      new Option(
        "--follow <what>",
        "all files of the folder, or only those that a manifest names (batches whole or not at all)",
      )
        .choices(FOLLOW)
        .default("folder"),
    )
    .addHelpText("after", "\nExample:\n  replayport sql replays --engine duckdb | duckdb")
    .action(async (name: string | undefined, _options, command: Command) => {
      await sql(cli, name, command.optsWithGlobals());
    });
}

async function sql(cli: CliEnvironment, name: string | undefined, options: SqlOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const [definition, ...others] = context.exports(name);
  if (!definition || others.length > 0) {
    const names = context.exports().map((one) => one.name);
    throw usageError(
      "sql needs the name of an export",
      `For example: replayport sql ${names[0]} (there are: ${names.join(", ")})`,
    );
  }
  const destination = context.config.destinations[definition.destination];
  if (!destination) return;
  if (destination.type === "bigquery") {
    // A warehouse's table holds the current rows as it is.
    printLine(cli.stdout, `SELECT * FROM \`${destination.project}.${destination.dataset}.${destination.table}\`;`);
    return;
  }
  if (destination.type === "snowflake") {
    const { snowflakeTable } = await import("../../../destinations/snowflake/index.ts");
    printLine(cli.stdout, `SELECT * FROM ${snowflakeTable(destination)};`);
    return;
  }
  const { columns, key } = await shape(context, definition);
  const statement = currentRowsSql({
    reader: options.engine,
    options: destination,
    export: definition.name,
    pathTemplate: definition.path,
    format: definition.format,
    extension: fileExtension(definition.format, definition.compression),
    columns,
    key,
    follow: options.follow,
  });
  printLine(cli.stdout, statement.trimEnd());
}

/** The columns of a user's own SELECT are known to ClickHouse only. */
async function shape(
  context: Context,
  definition: ExportDefinition,
): Promise<{ columns: readonly Column[]; key: readonly string[] }> {
  if (definition.model.kind === "session_replays") {
    return { columns: exportedColumns(definition.selection), key: SESSION_REPLAYS_KEY };
  }
  const source = await context.source();
  return await source.model(definition, context.cli.signal);
}
