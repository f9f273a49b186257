/** The tables that a destination uses, and their names in SQL. Pure. */
import { createHash } from "node:crypto";
import { GONE_PREFIX } from "../warehouse/gone_rows.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { resolveIdentifier, snowflake } from "../sql/snowflake.ts";
import type { SnowflakeOptions } from "./options.ts";

/**
 * Prefix of a target's lock table. It has one row: an UPDATE of it is the lock that makes loads commit one after the other
 * (see commit.ts). Locks are on tables, so with one lock table for all targets they would wait for each other.
 */
const LOCK_PREFIX = "_REPLAYPORT_LOCK_";

/** The objects' names, unquoted. */
export interface Names {
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  readonly receipts: string;
  readonly lock: string;
  /** warehouse/gone_rows.ts */
  readonly gone: string;
}

export function namesOf({ database, schema, table }: Pick<SnowflakeOptions, "database" | "schema" | "table">): Names {
  return ownNames(
    { database: resolveIdentifier(database), schema: resolveIdentifier(schema), table: resolveIdentifier(table) },
    RECEIPTS_TABLE,
  );
}

/** @param receipts name of the ledger, in any case */
export function ownNames(target: Pick<Names, "database" | "schema" | "table">, receipts: string): Names {
  const { table } = target;
  const gone = `${GONE_PREFIX.toUpperCase()}${table}`;
  return { ...target, receipts: receipts.toUpperCase(), lock: `${LOCK_PREFIX}${table}`, gone };
}

export function schemaPath({ database, schema }: Names): string {
  return `${snowflake.identifier(database)}.${snowflake.identifier(schema)}`;
}

/** `"DATABASE"."SCHEMA"."NAME"`, so that nothing depends on the session's current schema. */
export function objectPath(names: Names, name: string): string {
  return `${schemaPath(names)}.${snowflake.identifier(name)}`;
}

export function stagingTable(names: Names, attempt: string): string {
  return objectPath(names, `_REPLAYPORT_STAGING_${attempt.toUpperCase()}`);
}

/** A target's folder in a stage. A hash, because stages have their own rules for names. */
export function targetFolder({ database, schema, table }: Names): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([database, schema, table]))
    .digest("hex");
  return `replayport/${hash.slice(0, 16)}`;
}
