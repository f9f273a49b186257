import { type Command, Option } from "commander";
import {
  type Follow,
  type Reader,
  type ReadRequest,
  currentRowsSql,
  READERS,
} from "../../../destinations/lake/read_sql.ts";
import { ICEBERG_READERS, type IcebergReader, icebergSql } from "../../../destinations/iceberg/read_sql.ts";
import type { DestinationOptions } from "../../../destinations/options.ts";
import { type ExportDefinition, fileExtension } from "../../export/definition.ts";
import type { DataFolder, Receipt } from "../../../destinations/destination.ts";
import { viewOf } from "../../../destinations/lake/read_sql/request.ts";
import { bigquery } from "../../../destinations/sql/bigquery.ts";
import { loadedFolders } from "../../../destinations/lake/folders.ts";
import { messageOf } from "../../errors.ts";
import { ALL_TIME } from "../../intervals/interval.ts";
import type { Column } from "../../models/column.ts";
import { SESSION_REPLAYS_KEY } from "../../models/session_replays.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { usageError } from "../arguments.ts";
import { isInvalidConfig } from "../../config/missing.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { errorFields } from "../log.ts";
import { printJson, printLine } from "../output.ts";

interface SqlOptions extends GlobalOptions {
  readonly engine: Reader | IcebergReader;
  readonly follow: Follow;
  readonly view?: string;
}

const ENGINES = [...new Set<string>([...READERS, ...ICEBERG_READERS])];
const FOLLOW: readonly Follow[] = ["folder", "manifests"];

export function addSql(program: Command, cli: CliEnvironment): void {
  program
    .command("sql")
    .description("print the SQL that reads the current row of each session")
    .argument("[export]", "the export (needed if there are several)")
    .addOption(new Option("--engine <name>", "the engine that reads it").choices(ENGINES).default("duckdb"))
    .addOption(
      new Option(
        "--follow <what>",
        "read all files in the folder, or only those that manifests name, so that no batch is read in part",
      )
        .choices(FOLLOW)
        .default("folder"),
    )
    .option("--view <name>", "create a view of that name")
    .option("--json", "print JSON: the export and its sql")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport sql replays --engine duckdb | duckdb\n  replayport sql replays --view replays | duckdb lake.db",
    )
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
  const statement = await selectFrom(destination, context, definition, options);
  if (options.json === true) printJson(cli.stdout, { export: definition.name, sql: statement });
  else printLine(cli.stdout, statement);
}

async function selectFrom(
  destination: DestinationOptions,
  context: Context,
  definition: ExportDefinition,
  { engine, follow, view }: SqlOptions,
): Promise<string> {
  switch (destination.type) {
    // The table of a warehouse has only current rows.
    case "bigquery": {
      const name = (of: string): string => bigquery.identifier(`${destination.project}.${destination.dataset}.${of}`);
      return `${viewOf({ view }, name)}SELECT * FROM ${name(destination.table)};`;
    }
    case "snowflake": {
      const { database, schema } = destination;
      const { snowflakeTable } = await import("../../../destinations/snowflake/index.ts");
      const name = (table: string): string => snowflakeTable({ database, schema, table });
      return `${viewOf({ view }, name)}SELECT * FROM ${name(destination.table)};`;
    }
    case "iceberg":
      return icebergSql(destination, destination.table ?? definition.name, engine, view);
    case "s3":
    case "file": {
      const reader = READERS.find((one) => one === engine);
      if (reader === undefined) {
        throw usageError(`${engine} reads Iceberg tables, not a lake`, `Engines for a lake: ${READERS.join(", ")}.`);
      }
      return await lakeStatement(context, definition, { options: destination, reader, follow, view });
    }
    default:
      return destination satisfies never;
  }
}

interface Shape {
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

export function lakeSql(
  definition: ExportDefinition,
  options: ReadRequest["options"],
  { columns, key }: Shape,
  reader: Reader,
  { follow = "folder", view }: Pick<ReadRequest, "follow" | "view"> = {},
  receipts: readonly Receipt[] = [],
): string {
  const folders = loadedFolders(receipts, todaysFolder(definition, columns));
  return currentRowsSql({ reader, options, export: definition.name, folders, columns, key, follow, view });
}

/** Where the next batch goes. */
export function todaysFolder({ path, format, compression }: ExportDefinition, columns: readonly Column[]): DataFolder {
  return { path, extension: fileExtension(format, compression), columns: [columns] };
}

/** Covers what the receipts name. A ledger that can't be read doesn't stop it: a statement can be written elsewhere. */
async function lakeStatement(
  context: Context,
  definition: ExportDefinition,
  asked: Pick<ReadRequest, "options" | "reader" | "follow" | "view">,
): Promise<string> {
  const { cli, log } = context;
  const form = await shape(context, definition);
  let receipts: Receipt[] = [];
  let unknown = "";
  try {
    receipts = await Array.fromAsync(context.destination(definition, "read").receipts(ALL_TIME, cli.signal));
  } catch (error) {
    cli.signal.throwIfAborted();
    if (isInvalidConfig(error)) throw error;
    log.warn(
      { export: definition.name, ...errorFields(error) },
      "can't read the receipts; the statement covers today's path and format only",
    );
    unknown = `-- NOT CHECKED: files under an older path or format (${context.cli.redactor.message(messageOf(error)).replaceAll(/\s+/g, " ")})\n`;
  }
  return unknown + lakeSql(definition, asked.options, form, asked.reader, asked, receipts).trimEnd();
}

/** Only ClickHouse knows the columns of a model in SQL. */
async function shape(context: Context, definition: ExportDefinition): Promise<Shape> {
  if (definition.model.kind === "session_replays") {
    return { columns: exportedColumns(definition.selection), key: SESSION_REPLAYS_KEY };
  }
  const source = await context.source();
  return await source.model(definition, context.cli.signal);
}
