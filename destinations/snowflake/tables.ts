/** Creates a load's tables and adds columns. It's all DDL, so none of it runs in a transaction. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Column } from "../../src/models/column.ts";
import { type ExistingColumn, notNull, planTable, stuckColumns, type TablePlan } from "../warehouse/table_plan.ts";
import { VERSION_COLUMN } from "../../src/models/reading_order.ts";
import { goneColumns } from "../warehouse/gone_rows.ts";
import { RECEIPT_COLUMNS, type Rows } from "../warehouse/rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { addColumn, createTable, describeTable, LOCK_COLUMNS } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { doubledKeys, findAllDoubled } from "./mend.ts";
import { countReceipts } from "./ledger_sql.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { objectPath, type Names } from "./names.ts";
import type { Session, Statement } from "./statement.ts";
import { fits, typeOf } from "./types.ts";

/** The target's name of each column, by the model's name. */
export type Spelling = ReadonlyMap<string, string>;

/**
 * Creates what is missing: the target and its new columns, the ledger and the lock.
 * @throws ReplayportError if a column has another type
 */
export async function prepareTables(
  context: SnowflakeContext,
  session: Session,
  { columns, key }: Rows,
  signal: AbortSignal,
): Promise<Spelling> {
  const { names } = context;
  const create = async (): Promise<Statement> => {
    if (await hasReceipts(session, names, signal)) throw targetIsGone(context);
    const required = [...key, VERSION_COLUMN].filter(
      (name) => columns.find((column) => column.name === name)?.nullable === false,
    );
    return createTable(names, names.table, columns, required, "Loaded by Replayport.");
  };
  const existing = await prepare(session, names, names.table, columns, create, signal, key);
  const own = (table: string, of: readonly Column[], about: string) => (): Statement => {
    const required = of.filter(({ nullable }) => !nullable).map(({ name }) => name);
    return createTable(names, table, of, required, about);
  };
  const receipts = own(names.receipts, RECEIPT_COLUMNS, "Receipts of Replayport: what is loaded, and as of when.");
  await prepare(session, names, names.receipts, RECEIPT_COLUMNS, receipts, signal);
  const lock = own(names.lock, LOCK_COLUMNS, `Lock of Replayport: each load of ${names.table} updates its one row.`);
  await prepare(session, names, names.lock, LOCK_COLUMNS, lock, signal);
  const goneRows = goneColumns({ columns, key }, context.onDelete);
  if (goneRows) {
    const make = own(names.gone, goneRows, `Sessions whose rows Replayport has deleted from ${names.table}.`);
    await prepare(session, names, names.gone, goneRows, make, signal, key);
  }
  return spellingOf(columns, existing);
}

function spellingOf(columns: readonly Column[], existing: readonly ExistingColumn[] = []): Spelling {
  const spelled = new Map(existing.map(({ name }) => [name.toUpperCase(), name]));
  return new Map(columns.map(({ name }) => [name, spelled.get(columnName(name)) ?? columnName(name)]));
}

/**
 * Plans a load of these rows into the target as it is, and changes nothing.
 * @throws ReplayportError if no batch of them could be loaded, or if the target has a key twice
 */
export async function checkTarget(context: SnowflakeContext, rows: Rows, signal: AbortSignal): Promise<void> {
  const { names } = context;
  await using session = await context.openSession({ export: context.export, doing: "check" }, signal);
  const existing = await existingColumns(session, names, names.table, signal);
  planOf(names, names.table, existing, rows.columns, rows.key);
  const goneRows = goneColumns(rows, context.onDelete);
  if (goneRows) {
    planOf(names, names.gone, await existingColumns(session, names, names.gone, signal), goneRows, rows.key);
  }
  const there = new Set(existing?.map(({ name }) => name.toUpperCase()));
  if (!existing || !rows.key.every((name) => there.has(columnName(name)))) return;
  const into = { target: objectPath(names, names.table), spelling: spellingOf(rows.columns, existing) };
  // The order of reads may come with the first load.
  const known = { ...rows, columns: rows.columns.filter(({ name }) => there.has(columnName(name))) };
  const [row] = await session.execute(findAllDoubled(known, into), signal);
  const doubled = Number(row?.["DOUBLED"] ?? 0);
  if (doubled > 0) throw doubledKeys(names, known, into, doubled);
}

async function hasReceipts(session: Session, names: Names, signal: AbortSignal): Promise<boolean> {
  if (!(await hasLedger(session, names, signal))) return false;
  const [row] = await session.execute(countReceipts(names), signal);
  return Number(row?.["RECEIPTS"]) > 0;
}

/**
 * A table that was dropped looks like one that the role can't see any more. But the first one's receipts are worthless, and
 * the second one's are still needed.
 */
export function targetIsGone({ names, role }: SnowflakeContext): ReplayportError {
  const target = objectPath(names, names.table);
  const to = `TO ROLE ${role ?? "<the user's default role>"}`;
  return new ReplayportError(
    `there are receipts for ${target}, but the table isn't visible`,
    giveUp(
      "snowflake.target_gone",
      `If it was dropped to reload it, remove its receipts, so that everything is due again: DELETE FROM ` +
        `${objectPath(names, names.receipts)} WHERE "TARGET_TABLE" = ${snowflake.string(names.table)}; ` +
        `if it still exists: GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ${target} ${to};`,
    ),
  );
}

/** Whether there is a table of receipts. Adds the columns that an earlier version's lacks, so that they can be selected. */
export async function hasLedger(session: Session, names: Names, signal: AbortSignal): Promise<boolean> {
  return (await prepare(session, names, names.receipts, RECEIPT_COLUMNS, undefined, signal)) !== undefined;
}

/**
 * Adds the columns that the table lacks, and makes it where it is missing.
 * @param create undefined leaves it missing
 * @returns what was there
 */
async function prepare(
  session: Session,
  names: Names,
  table: string,
  columns: readonly Column[],
  create: (() => Statement | Promise<Statement>) | undefined,
  signal: AbortSignal,
  key: readonly string[] = [],
): Promise<readonly ExistingColumn[] | undefined> {
  const existing = await existingColumns(session, names, table, signal);
  const plan = planOf(names, table, existing, columns, key);
  if (plan.kind === "create") {
    if (create) await session.execute(await create(), signal);
    return existing;
  }
  for (const statement of plan.columns.flatMap((column) => addColumn(names, column, table))) {
    await session.execute(statement, signal);
  }
  return existing;
}

/** A text that tells rows apart: under a collation, two of them may be equal. */
const COLLATED = / COLLATE '[^']+'/i;

/**
 * @param key empty for a table of ours
 * @throws ReplayportError for what adding columns can't fix: other types, NOT NULL columns that a load would leave empty
 */
function planOf(
  names: Names,
  table: string,
  existing: readonly ExistingColumn[] | undefined,
  columns: readonly Column[],
  key: readonly string[],
): TablePlan {
  const path = objectPath(names, table);
  const plan = planTable(path, existing, columns, typeOf, (type, column) => {
    return fits(type, column) && !(key.includes(column.name) && COLLATED.test(type));
  });
  const stuck = key.length === 0 ? [] : stuckColumns(existing ?? [], { columns, key });
  if (stuck.length > 0) throw notNull("snowflake.not_null", path, stuck, snowflake.identifier);
  return plan;
}

/** Undefined if there is no table. Reads the catalogue only, which wakes no warehouse. */
export async function existingColumns(
  session: Session,
  names: Names,
  table: string,
  signal: AbortSignal,
): Promise<ExistingColumn[] | undefined> {
  try {
    const rows = await session.execute(describeTable(names, table), signal);
    const columns = rows.map((row) => ({
      name: String(row["name"]),
      type: String(row["type"]),
      required: row["null?"] === "N",
      hasDefault: (row["default"] ?? null) !== null,
    }));
    // Columns may differ in case only: the upper-case one is ours, and planTable takes the last of equal names.
    return columns.sort((a, b) => Number(a.name === a.name.toUpperCase()) - Number(b.name === b.name.toUpperCase()));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
