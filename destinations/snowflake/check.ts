/**
 * Does everything that a load does, with one row: a session, its own tables beside the user's, a file through the stage,
 * COPY, MERGE, the ledger. Then it reads the row back, which finds accounts where times or lists come out wrong. Statements
 * that match no row test the privileges that a load needs on tables that exist.
 */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import { checkSteps } from "../check.ts";
import { expectProbe, openProbe } from "../warehouse/probe.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { SnowflakeContext } from "./context.ts";
import { dropTable } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { snowflake } from "../sql/snowflake.ts";
import { load } from "./load.ts";
import { objectPath, ownNames, type Names } from "./names.ts";
import type { Session, Statement } from "./statement.ts";
import { existingColumns } from "./tables.ts";

export async function check(context: SnowflakeContext, signal: AbortSignal): Promise<void> {
  const step = checkSteps("Snowflake's check", signal);
  await using session = await step("opening a session", () =>
    context.openSession({ export: context.export, doing: "check" }, signal),
  );
  await step("asking for role and warehouse", () => whoAmI(context, session, signal));
  await step("trying the privileges on tables that exist", () => checkExisting(context.names, session, signal));
  await step("loading one row", () => tinyLoad(context, session, signal));
}

/** A login succeeds even if the warehouse doesn't exist; only statements fail. This one fails with the reason. */
async function whoAmI({ warehouse }: SnowflakeContext, session: Session, signal: AbortSignal): Promise<void> {
  const sql = `SELECT CURRENT_ROLE() AS "ROLE", CURRENT_WAREHOUSE() AS "WAREHOUSE"`;
  const [row] = await session.execute({ sql, doing: "asking for role and warehouse", grants: [] }, signal);
  if (typeof row?.["WAREHOUSE"] === "string" && row["WAREHOUSE"] !== "") return;
  const role = snowflake.identifier(String(row?.["ROLE"]));
  throw new ReplayportError(
    warehouse === undefined
      ? `the config names no warehouse, and the user has no default warehouse that the role ${role} may use`
      : `there is no warehouse ${warehouse}, or the role ${role} may not use it`,
    giveUp(
      "snowflake.warehouse",
      warehouse === undefined
        ? `Set \`warehouse\`, and let the role use it: GRANT USAGE ON WAREHOUSE … TO ROLE ${role};`
        : `If its name is right: GRANT USAGE ON WAREHOUSE ${warehouse} TO ROLE ${role};`,
    ),
  );
}

/** Tests each privilege that a load needs on tables that exist. */
async function checkExisting(names: Names, session: Session, signal: AbortSignal): Promise<void> {
  const needed = [
    [names.table, ["SELECT", "INSERT", "UPDATE", "DELETE"]],
    [names.receipts, ["SELECT", "INSERT"]],
    [names.lock, ["SELECT", "INSERT", "UPDATE"]],
    [names.gone, ["SELECT", "INSERT", "UPDATE", "DELETE"]],
  ] as const;
  for (const [table, privileges] of needed) {
    const [first] = (await existingColumns(session, names, table, signal)) ?? [];
    if (!first) continue;
    for (const privilege of privileges) {
      await session.execute(idle(privilege, objectPath(names, table), snowflake.identifier(first.name)), signal);
    }
  }
}

type Privilege = "SELECT" | "INSERT" | "UPDATE" | "DELETE";

/** Snowflake checks privileges before it looks for rows. */
function idle(privilege: Privilege, table: string, column: string): Statement {
  const sql = {
    SELECT: `SELECT ${column} FROM ${table} WHERE FALSE`,
    INSERT: `INSERT INTO ${table} (${column}) SELECT ${column} FROM ${table} WHERE FALSE`,
    UPDATE: `UPDATE ${table} SET ${column} = ${column} WHERE FALSE`,
    DELETE: `DELETE FROM ${table} WHERE FALSE`,
  }[privilege];
  return { sql, doing: `trying ${privilege} on ${table}`, grants: [`${privilege} ON TABLE ${table}`] };
}

async function tinyLoad(context: SnowflakeContext, session: Session, signal: AbortSignal): Promise<void> {
  await using opened = await openProbe(context.export, context.now(), context.folder);
  const table = `_REPLAYPORT_CHECK_${opened.batch.attempt.toUpperCase()}`;
  const names = ownNames({ ...context.names, table }, `${table}_RECEIPTS`);
  const probe: SnowflakeContext = {
    ...context,
    names,
    onWarning: (message, detail) => {
      throw new ReplayportError(message, {
        ...retry("snowflake.check", "Let the role remove files from the stage, or set another `stage`."),
        cause: detail,
      });
    },
  };
  try {
    await load(probe, opened.batch, signal);
    await readBack(session, objectPath(names, table), signal);
  } finally {
    for (const each of [names.table, names.receipts, names.lock, names.gone]) {
      await session.execute(dropTable(objectPath(names, each)), cleanupDeadline()).catch((error: unknown) => {
        // Without the schema there is no table.
        if (isMissing(error)) return;
        context.onWarning(`the check couldn't drop its table ${objectPath(names, each)}`, { error });
      });
    }
  }
}

async function readBack(session: Session, table: string, signal: AbortSignal): Promise<void> {
  const micros = (column: string, alias: string): string => `DATE_PART(EPOCH_MICROSECOND, "${column}") AS "${alias}"`;
  const sql = `SELECT "SESSION_ID", "FIRST_URL", "ALL_URLS", ${micros("START_TIME", "START_US")}, ${micros("END_TIME", "END_US")}, "IS_DELETED", "ACTIVE_SECONDS", "_VERSION" AS "VERSION", ${micros("_EXPORTED_AT", "EXPORTED_US")} FROM ${table}`;
  expectProbe(await session.execute({ sql, doing: "reading back what was loaded", grants: [] }, signal));
}
