/**
 * Does for real, on a small scale, all that a load does: a session, tables of its own beside the user's, a file through the
 * stage, COPY, MERGE, the ledger. What was written is read back, so that an account in which times or lists come out wrong
 * is found as well. Tables that are there already are asked for the privileges that a load needs on them, by statements
 * that match no row.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { checkSteps } from "../check.ts";
import { expectProbe, probeBatch } from "../warehouse/probe.ts";
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

/** A login goes through with a warehouse that does not exist; only statements fail then. This one says so, and why. */
async function whoAmI({ warehouse }: SnowflakeContext, session: Session, signal: AbortSignal): Promise<void> {
  const sql = `SELECT CURRENT_ROLE() AS "ROLE", CURRENT_WAREHOUSE() AS "WAREHOUSE"`;
  const [row] = await session.execute({ sql, doing: "asking for role and warehouse", grants: [] }, signal);
  if (typeof row?.["WAREHOUSE"] === "string" && row["WAREHOUSE"] !== "") return;
  const role = snowflake.identifier(String(row?.["ROLE"]));
  throw new ReplayportError(
    warehouse === undefined
      ? `the config names no warehouse, and the user has no default that the role ${role} may use`
      : `there is no warehouse ${warehouse}, or the role ${role} may not use it`,
    giveUp(
      "snowflake.warehouse",
      warehouse === undefined
        ? `Set \`warehouse\`, and let the role use it: GRANT USAGE ON WAREHOUSE … TO ROLE ${role};`
        : `If its name is right: GRANT USAGE ON WAREHOUSE ${warehouse} TO ROLE ${role};`,
    ),
  );
}

/** Privileges on the tables that are there: a load with rows would need each of these. */
async function checkExisting(names: Names, session: Session, signal: AbortSignal): Promise<void> {
  const needed = [
    [names.table, ["SELECT", "INSERT", "UPDATE", "DELETE"]],
    [names.receipts, ["SELECT", "INSERT", "DELETE"]],
    [names.lock, ["SELECT", "INSERT", "UPDATE"]],
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

/** Privileges are looked at before rows are. */
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
  const attempt = randomBytes(6).toString("hex");
  const table = `_REPLAYPORT_CHECK_${attempt.toUpperCase()}`;
  const names = ownNames({ ...context.names, table }, `${table}_RECEIPTS`);
  const probe: SnowflakeContext = {
    ...context,
    names,
    onWarning: (message, detail) => {
      throw new ReplayportError(message, { code: "snowflake.check", remedy: "retry", cause: detail });
    },
  };
  const folder = await mkdtemp(join(tmpdir(), "replayport-check-"));
  try {
    const batch = await probeBatch(context.export, { folder, attempt, readAt: context.now() });
    await load(probe, batch, signal);
    await readBack(session, objectPath(names, table), signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
    for (const each of [names.table, names.receipts, names.lock]) {
      await session.execute(dropTable(objectPath(names, each)), cleanupDeadline()).catch((error: unknown) => {
        // Without the schema there is no table either.
        if (isMissing(error)) return;
        context.onWarning(`a table of the check could not be dropped: ${objectPath(names, each)}`, { error });
      });
    }
  }
}

async function readBack(session: Session, table: string, signal: AbortSignal): Promise<void> {
  const micros = (column: string, alias: string): string => `DATE_PART(EPOCH_MICROSECOND, "${column}") AS "${alias}"`;
  const sql = `SELECT "SESSION_ID", "FIRST_URL", "ALL_URLS", ${micros("START_TIME", "START_US")}, ${micros("END_TIME", "END_US")}, "IS_DELETED", "ACTIVE_SECONDS", "_VERSION" AS "VERSION", ${micros("_EXPORTED_AT", "EXPORTED_US")} FROM ${table}`;
  expectProbe(await session.execute({ sql, doing: "reading back what was loaded", grants: [] }, signal));
}
