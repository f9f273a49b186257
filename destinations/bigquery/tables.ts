/** Creates missing tables and adds missing columns. Never drops or retypes anything. */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import type { Column } from "../../src/models/column.ts";
import { isList } from "../sql/dialect.ts";
import { bigquery } from "../sql/bigquery.ts";
import { GONE_PREFIX, goneColumns } from "../warehouse/gone_rows.ts";
import { PARTITION_COLUMN, RECEIPT_COLUMNS, type Rows } from "../warehouse/rows.ts";
import { duplicates } from "../warehouse/held_rows.ts";
import { notNull, planTable, stuckColumns, type TablePlan } from "../warehouse/table_plan.ts";
import type { TableResource } from "./resources.ts";
import { type BigQueryContext, ledgerPlace, qualifiedName } from "./context.ts";
import { query } from "./jobs.ts";
import { addColumns, createTable, type TableShape } from "./ddl.ts";
import { countReceipts, forgetReceipts } from "./ledger_sql.ts";
import { countDoubledKeys, mendDoubled } from "./mend.ts";
import { existingColumn, fits, targetType } from "./types.ts";

const DEFAULT_CLUSTER = ["team_id", "session_id"];
const NO_JSON: ReadonlySet<string> = new Set();

export function jsonColumns({ options }: BigQueryContext): ReadonlySet<string> {
  return new Set(options.jsonColumns);
}

export async function ensureLedger(context: BigQueryContext, signal: AbortSignal): Promise<void> {
  await ensureTable(context, context.ledger, ledgerShape(context), signal);
}

export function ledgerShape(context: BigQueryContext): TableShape {
  return {
    table: qualifiedName(context, context.ledger),
    columns: RECEIPT_COLUMNS,
    key: RECEIPT_COLUMNS.filter(({ nullable }) => !nullable).map(({ name }) => name),
    json: NO_JSON,
    cluster: ["target_table", "export", "interval_start"],
    description: "One row for each load by Replayport into a table of this dataset; of one interval the last counts.",
    ...(context.expires ? { expires: context.expires } : {}),
  };
}

export interface Target {
  /** When BigQuery created it. */
  readonly created: string;
  /** The column of times that it is partitioned by, so that a condition on it prunes. */
  readonly partition: string | undefined;
}

export async function ensureTarget(context: BigQueryContext, rows: Rows, signal: AbortSignal): Promise<Target> {
  const shape = targetShape(context, rows);
  const beforeCreation = () => forgetGoneTable(context, signal);
  const found = await ensureTable(context, context.place.table, shape, signal, beforeCreation);
  const gone = goneShape(context, rows);
  if (gone) await ensureTable(context, goneTable(context), gone, signal);
  return targetOf(found);
}

export function targetOf({ creationTime = "", timePartitioning, schema }: TableResource): Target {
  const field = timePartitioning?.field?.toLowerCase();
  const column = schema?.fields?.find(({ name = "" }) => name.toLowerCase() === field);
  return { created: creationTime, partition: column?.type === "TIMESTAMP" ? column.name : undefined };
}

export function goneTable({ place }: BigQueryContext): string {
  return `${GONE_PREFIX}${place.table}`;
}

/** Undefined if no row of the export is ever deleted. */
function goneShape(context: BigQueryContext, rows: Rows): TableShape | undefined {
  const columns = goneColumns(rows, context.options.onDelete ?? "tombstone");
  return (
    columns && {
      table: qualifiedName(context, goneTable(context)),
      columns,
      key: rows.key,
      json: NO_JSON,
      cluster: [],
      description: `Sessions whose rows Replayport has deleted from ${context.place.table}.`,
    }
  );
}

export function targetShape(context: BigQueryContext, { columns, key }: Rows): TableShape {
  const { options } = context;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const json = jsonColumns(context);
  for (const name of json) {
    const column = byName.get(name);
    if (column && (key.includes(name) || (column.type !== "string" && !isList(column.type)))) {
      throw wrongOption("json_columns", `${name} is ${key.includes(name) ? "part of the key" : column.type}`);
    }
  }
  const partition = partitionOf(context, byName);
  const cluster = options.clusterBy ?? DEFAULT_CLUSTER.filter((name) => byName.has(name));
  for (const name of cluster) {
    const column = byName.get(name);
    if (!column || isList(column.type) || json.has(name) || column.type === "float64") {
      throw wrongOption("cluster_by", column ? `${name} is ${targetType(column, json)}` : `there is no column ${name}`);
    }
  }
  return {
    table: qualifiedName(context, context.place.table),
    columns,
    key,
    json,
    ...(partition ? { partition } : {}),
    cluster,
    description: `Loaded by Replayport, export ${context.export}.`,
    ...(context.expires ? { expires: context.expires } : {}),
  };
}

function partitionOf({ options }: BigQueryContext, byName: ReadonlyMap<string, Column>): TableShape["partition"] {
  const { partitionBy } = options;
  if (partitionBy === "none") return undefined;
  if (partitionBy === undefined) {
    return byName.get(PARTITION_COLUMN)?.type === "timestamp"
      ? { column: PARTITION_COLUMN, granularity: "day" }
      : undefined;
  }
  const type = byName.get(partitionBy.column)?.type;
  if (type !== "timestamp") {
    throw wrongOption(
      "partition_by",
      type === undefined ? `there is no column ${partitionBy.column}` : `${partitionBy.column} is ${type}`,
    );
  }
  return partitionBy;
}

/** Before a missing target is created: receipts of an earlier table of that name must not count for the new one. */
async function forgetGoneTable(context: BigQueryContext, signal: AbortSignal): Promise<void> {
  const { onWarning, place } = context;
  const table = context.ledger;
  const ledger = ledgerPlace(context);
  const reading = { action: "bigquery.tables.getData", table };
  const [row] = await query(context, reading, countReceipts(ledger), {}, signal);
  const forgotten = Number(row?.["receipts"] ?? 0);
  if (forgotten === 0) return;
  onWarning("the table is gone, so its receipts are removed, and everything is due again", {
    table: `${place.project}.${place.dataset}.${place.table}`,
    receipts: forgotten,
  });
  await query(context, { action: "bigquery.tables.updateData", table }, forgetReceipts(ledger), {}, signal);
}

async function ensureTable(
  context: BigQueryContext,
  table: string,
  shape: TableShape,
  signal: AbortSignal,
  beforeCreation: () => Promise<void> = () => Promise.resolve(),
): Promise<TableResource> {
  const signature = `${table} ${JSON.stringify(shape.columns)}`;
  const known = context.ready.get(signature);
  // The target is read each time: somebody may have dropped and created it again.
  if (known && table !== context.place.table) return known;
  // Another worker may create or extend the table between the look and the statement, so look again.
  for (let look = 0; ; look += 1) {
    const found = await context.client.table(table, signal);
    const plan = planOf(shape, found);
    if (found && plan.kind === "add" && plan.columns.length === 0) {
      context.ready.set(signature, found);
      return found;
    }
    if (look === 3) {
      throw new ReplayportError(
        `${shape.table} still lacks its columns`,
        retry("bigquery.table_unstable", "Something else changes or removes the table at the same time."),
      );
    }
    if (plan.kind === "create") await beforeCreation();
    const [action, sql] =
      plan.kind === "create"
        ? (["bigquery.tables.create", createTable(shape)] as const)
        : (["bigquery.tables.update", addColumns(shape.table, plan.columns, shape.json)] as const);
    await query(context, { action, table }, sql, {}, signal);
  }
}

/**
 * What the table needs before the shape's rows fit into it.
 * @throws ReplayportError for what adding columns can't fix: a view, other types, NOT NULL columns that a load would leave empty
 */
function planOf(shape: TableShape, found: TableResource | undefined): TablePlan {
  if (found && (found.type ?? "TABLE") !== "TABLE") {
    throw new ReplayportError(
      `${shape.table} is of type ${found.type}, but rows can only be merged into a table`,
      giveUp("bigquery.no_table", "Name another `table`; it is created if it doesn't exist."),
    );
  }
  const existing = found?.schema?.fields?.map(existingColumn);
  const plan = planTable(
    shape.table,
    existing,
    shape.columns,
    (column) => targetType(column, shape.json),
    (type, column) => fits(type, column, shape.json, shape.key.includes(column.name)),
  );
  const stuck = stuckColumns(existing ?? [], shape);
  if (stuck.length > 0)
    throw notNull("bigquery.not_null", bigquery.identifier(shape.table), stuck, bigquery.identifier);
  return plan;
}

/**
 * Plans a load of these rows into the target as it is, and changes nothing.
 * @throws ReplayportError if no batch of them could be loaded, or if the target has a key twice
 */
export async function checkTarget(context: BigQueryContext, rows: Rows, signal: AbortSignal): Promise<void> {
  const { client, place } = context;
  const shape = targetShape(context, rows);
  const found = await client.table(place.table, signal);
  planOf(shape, found);
  const gone = goneShape(context, rows);
  if (gone) planOf(gone, await client.table(goneTable(context), signal));
  const names = new Set(found?.schema?.fields?.map(({ name = "" }) => name.toLowerCase()));
  if (!found || !rows.key.every((name) => names.has(name.toLowerCase()))) return;
  // The order of reads may come with the first load.
  const there = rows.columns.filter(({ name }) => names.has(name.toLowerCase()));
  const keyed = { table: shape.table, rows: { ...rows, columns: there }, partition: targetOf(found).partition };
  const what = { action: "bigquery.tables.getData", table: place.table };
  const [row] = await query(context, what, countDoubledKeys(keyed), {}, signal);
  const doubled = Number(row?.["doubled"] ?? 0);
  if (doubled > 0) throw duplicates(shape.table, doubled, mendDoubled(keyed));
}

function wrongOption(option: string, detail: string): ReplayportError {
  return new ReplayportError(
    `\`${option}\` of the BigQuery destination does not fit the export: ${detail}`,
    giveUp(
      "bigquery.option",
      option === "json_columns"
        ? "Name columns of text or of lists that are not part of the key."
        : "Name columns that the export has, after its column rules, and that BigQuery can use for it.",
    ),
  );
}
