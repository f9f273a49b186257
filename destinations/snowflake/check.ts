/**
 * Does for real, on a small scale, all that a load does: a session, tables of its own beside the user's, a file through the
 * stage, COPY, MERGE, the ledger. What was written is read back, so that an account in which times or lists come out wrong
 * is found as well. Tables that are there already are asked for the privileges that a load needs on them, by statements
 * that match no row.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import type { Batch } from "../destination.ts";
import { stagedFile } from "../files/staged_file.ts";
import { ownDeadline, type SnowflakeContext } from "./context.ts";
import { dropTable } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { microsOf } from "./ledger.ts";
import { snowflake } from "../sql/snowflake.ts";
import { load } from "./load.ts";
import { objectPath, ownNames, type Names } from "./names.ts";
import { PROBE_COLUMNS, PROBE_FILE, PROBE_KEY, PROBE_ROW } from "./probe_file.ts";
import type { Session, Statement } from "./statement.ts";
import { existingColumns } from "./tables.ts";

export async function check(context: SnowflakeContext, signal: AbortSignal): Promise<void> {
  try {
    await using session = await context.openSession({ export: context.export, doing: "check" }, signal);
    await whoAmI(context, session, signal);
    await checkExisting(context.names, session, signal);
    await tinyLoad(context, session, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw named(error);
  }
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
    {
      code: "snowflake.warehouse",
      remedy: "give-up",
      hint:
        warehouse === undefined
          ? `Set \`warehouse\`, and let the role use it: GRANT USAGE ON WAREHOUSE … TO ROLE ${role};`
          : `If its name is right: GRANT USAGE ON WAREHOUSE ${warehouse} TO ROLE ${role};`,
    },
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
    const batch = await probeBatch(context, attempt, folder);
    await load(probe, batch, signal);
    await readBack(session, objectPath(names, table), signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
    for (const each of [names.table, names.receipts, names.lock]) {
      await session.execute(dropTable(objectPath(names, each)), ownDeadline()).catch((error: unknown) => {
        // Without the schema there is no table either.
        if (isMissing(error)) return;
        context.onWarning(`a table of the check could not be dropped: ${objectPath(names, each)}`, { error });
      });
    }
  }
}

async function probeBatch(context: SnowflakeContext, attempt: string, folder: string): Promise<Batch> {
  const path = join(folder, "0.parquet");
  await writeFile(path, PROBE_FILE);
  const file = await stagedFile(path, { rows: 1 });
  const of = interval("2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z");
  return {
    id: `check/${attempt}`,
    export: context.export,
    interval: of,
    attempt,
    format: "parquet",
    extension: ".parquet",
    columns: PROBE_COLUMNS,
    key: PROBE_KEY,
    fingerprint: "0000000000000000",
    readAt: context.now(),
    sourceVersion: "check",
    // oxlint-disable-next-line typescript/require-await -- a list that is pulled from.
    files: (async function* once() {
      yield file;
    })(),
  };
}

async function readBack(session: Session, table: string, signal: AbortSignal): Promise<void> {
  const sql = `SELECT "SESSION_ID", DATE_PART(EPOCH_MICROSECOND, "START_TIME") AS "START_US", "FIRST_URL", ARRAY_SIZE("ALL_URLS") AS "URLS", "IS_DELETED", "_VERSION" FROM ${table}`;
  const rows = await session.execute({ sql, doing: "reading back what was loaded", grants: [] }, signal);
  const [row] = rows;
  const seen = {
    rows: rows.length,
    session: row?.["SESSION_ID"],
    start: microsOf(row, "START_US"),
    url: row?.["FIRST_URL"],
    urls: Number(row?.["URLS"]),
    deleted: row?.["IS_DELETED"],
    version: Number(row?.["_VERSION"]),
  };
  if (JSON.stringify(seen) === JSON.stringify(PROBE_ROW)) return;
  throw new ReplayportError(
    `what was loaded is not what is read back: ${JSON.stringify(seen)} for ${JSON.stringify(PROBE_ROW)}`,
    {
      code: "snowflake.read_back",
      remedy: "give-up",
      hint: "The account reads Parquet in another way than is documented. Set the export's `format` to jsonl, and report this message.",
    },
  );
}

function named(error: unknown): unknown {
  if (!(error instanceof ReplayportError)) return error;
  const { code, remedy, hint, retryAfterMs } = error;
  return new ReplayportError(`Snowflake's check failed: ${messageOf(error)}`, {
    code,
    remedy,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  });
}
