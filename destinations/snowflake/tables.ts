/** Makes and grows the tables that a load needs. It's all DDL, so none of it runs in a transaction. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Column } from "../../src/models/column.ts";
import type { Batch } from "../destination.ts";
import { planTable, type ExistingColumn } from "../warehouse/table_plan.ts";
import { VERSION_COLUMN } from "../../src/models/reading_order.ts";
import { RECEIPT_COLUMNS } from "../warehouse/rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { addColumn, createLock, createReceipts, createTable, describeTable, LOCK_COLUMNS } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { countReceipts } from "./ledger_sql.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { objectPath, type Names } from "./names.ts";
import type { Session } from "./statement.ts";
import { fits, typeOf } from "./types.ts";

/** How the target spells each column of the model, by the model's name. */
export type Spelling = ReadonlyMap<string, string>;

/**
 * Makes what is missing: the target from the model, its new columns, the ledger and the lock.
 * @throws ReplayportError where a column is there under another type
 */
export async function prepareTables(
  context: SnowflakeContext,
  session: Session,
  { columns, key }: Pick<Batch, "columns" | "key">,
  signal: AbortSignal,
): Promise<Spelling> {
  const { names } = context;
  const existing = await existingColumns(session, names, names.table, signal);
  const plan = planTable(objectPath(names, names.table), existing, columns, typeOf, fits);
  switch (plan.kind) {
    case "create": {
      if (await hasReceipts(session, names, signal)) throw targetIsGone(context);
      const required = [...key, VERSION_COLUMN].filter(
        (name) => columns.find((column) => column.name === name)?.nullable === false,
      );
      await session.execute(createTable(names, names.table, columns, required, "Loaded by Replayport."), signal);
      break;
    }
    case "add":
      for (const statement of plan.columns.flatMap((column) => addColumn(names, column))) {
        await session.execute(statement, signal);
      }
      break;
    default:
      plan satisfies never;
  }
  await prepareOwn(session, names, names.receipts, RECEIPT_COLUMNS, signal);
  await prepareOwn(session, names, names.lock, LOCK_COLUMNS, signal);
  const spelled = new Map((existing ?? []).map(({ name }) => [name.toUpperCase(), name]));
  return new Map(columns.map(({ name }) => [name, spelled.get(columnName(name)) ?? columnName(name)]));
}

async function hasReceipts(session: Session, names: Names, signal: AbortSignal): Promise<boolean> {
  if (!(await existingColumns(session, names, names.receipts, signal))) return false;
  const [row] = await session.execute(countReceipts(names), signal);
  return Number(row?.["RECEIPTS"]) > 0;
}

/**
 * A table that was dropped and one that may not be seen any more look the same. What to do about them is not: the receipts
 * of the first are worth nothing, those of the second everything.
 */
export function targetIsGone({ names, role }: SnowflakeContext): ReplayportError {
  const target = objectPath(names, names.table);
  const to = `TO ROLE ${role ?? "<the user's default role>"}`;
  return new ReplayportError(
    `there are receipts for ${target}, but no such table is to be seen`,
    giveUp(
      "snowflake.target_gone",
      `Where it was dropped to have it anew, remove its receipts, and all of it is due again: DELETE FROM ` +
        `${objectPath(names, names.receipts)} WHERE "TARGET_TABLE" = ${snowflake.string(names.table)}; ` +
        `where it is still there: GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ${target} ${to};`,
    ),
  );
}

async function prepareOwn(
  session: Session,
  names: Names,
  table: string,
  columns: readonly Column[],
  signal: AbortSignal,
): Promise<void> {
  const existing = await existingColumns(session, names, table, signal);
  const plan = planTable(objectPath(names, table), existing, columns, typeOf, fits);
  if (plan.kind === "create") {
    await session.execute(table === names.receipts ? createReceipts(names) : createLock(names), signal);
  }
}

/** Undefined where there is no table. Asks the catalogue only: no warehouse wakes for it. */
export async function existingColumns(
  session: Session,
  names: Names,
  table: string,
  signal: AbortSignal,
): Promise<ExistingColumn[] | undefined> {
  try {
    const rows = await session.execute(describeTable(names, table), signal);
    const columns = rows.map((row) => ({ name: String(row["name"]), type: String(row["type"]) }));
    // Two columns may differ in case alone: the one in upper case is ours. planTable takes the last of equal names.
    return columns.sort((a, b) => Number(a.name === a.name.toUpperCase()) - Number(b.name === b.name.toUpperCase()));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
