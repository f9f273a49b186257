/** What an audit asks of a table, in the SQL of a warehouse. Pure. src/models/audit.ts says what is compared. */
import { AUDIT_COLUMNS, type AuditGroup, type AuditKey, BUCKET_SIZE } from "../../src/models/audit.ts";
import type { AuditScope } from "../destination.ts";
import type { WarehouseDialect } from "../sql/dialect.ts";

/** Keys in one statement: a statement may have 1 MB. */
const MOST_KEYS = 10_000;

export interface AuditedTable {
  readonly dialect: WarehouseDialect;
  /** As SQL names it. */
  readonly table: string;
  /** A column of the table as SQL names it, by the model's name. */
  readonly column: (name: string) => string;
  /** The name of a result's column. */
  readonly name: (name: string) => string;
  /** The first 32 bits of the MD5 of a text, as a number. */
  readonly hash: (text: string) => string;
  /** Days since 1970, UTC, of a time. */
  readonly day: (time: string) => string;
}

export function auditGroups(audited: AuditedTable, { from, teams }: AuditScope): string {
  const { dialect, table, column, name, hash, day } = audited;
  const { key, version, start } = AUDIT_COLUMNS;
  const text = `CONCAT(${keySql(audited)}, '|', COALESCE(CAST(${column(version)} AS ${dialect.types.string}), ''))`;
  const team = teams === "all" ? "" : ` AND ${column(key[0])} IN (${[teams].flat().join(", ")})`;
  return `SELECT ${name("day")}, ${name("bucket")}, COUNT(*) AS ${name("sessions")}, SUM(${name("hash")}) AS ${name("checksum")}
FROM (
  SELECT ${name("day")}, ${name("hash")}, CAST(FLOOR(${name("key_hash")} / ${BUCKET_SIZE}) AS ${dialect.types.int64}) AS ${name("bucket")}
  FROM (
    SELECT ${day(column(start))} AS ${name("day")}, ${hash(text)} AS ${name("hash")}, ${hash(keySql(audited))} AS ${name("key_hash")}
    FROM ${table} WHERE ${column(start)} >= ${dialect.timestamp(from)}${team}
  ) AS ${name("hashes")}
) AS ${name("buckets")}
GROUP BY ${name("day")}, ${name("bucket")}`;
}

/** A row of `auditGroups`. @param name how the result names its columns */
export function auditGroup(
  row: Readonly<Record<string, unknown>>,
  name: (column: keyof AuditGroup) => string,
): AuditGroup {
  const number = (column: keyof AuditGroup): number => Number(row[name(column)]);
  return {
    day: number("day"),
    bucket: number("bucket"),
    sessions: number("sessions"),
    checksum: number("checksum"),
  };
}

/** Before any start: a table may refuse a query without a condition on it. */
const EARLIEST = -62_135_596_800_000_000n;

/**
 * Wherever the rows begin: a source that has dropped a session's first rows shows a later start than the table has.
 * @param scope undefined for the table of deleted rows, which has no start
 */
export function auditVersions(audited: AuditedTable, keys: readonly AuditKey[], scope?: AuditScope): string {
  const { dialect, table, column, name } = audited;
  const { key, version, start } = AUDIT_COLUMNS;
  const sessions = keys.map(({ session }) => dialect.string(session));
  const range = scope ? `(${column(start)} >= ${dialect.timestamp(EARLIEST)} OR ${column(start)} IS NULL) AND ` : "";
  return `SELECT ${keySql(audited)} AS ${name("row_key")}, CAST(${column(version)} AS ${dialect.types.string}) AS ${name("row_version")}
FROM ${table} WHERE ${range}${column(key[1])} IN (${sessions.join(", ")})`;
}

/** Asks for the versions of some keys at a time. Of rows that were deleted and of current ones the higher version counts. */
export async function versionsOf(
  keys: readonly AuditKey[],
  statements: (keys: readonly AuditKey[]) => readonly string[],
  ask: (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>,
  name: (column: "row_key" | "row_version") => string,
): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (let at = 0; at < keys.length; at += MOST_KEYS) {
    for (const sql of statements(keys.slice(at, at + MOST_KEYS))) {
      for (const row of await ask(sql)) {
        const key = String(row[name("row_key")]);
        const version = row[name("row_version")];
        const text = typeof version === "string" ? version : "";
        if (text >= (versions.get(key) ?? "")) versions.set(key, text);
      }
    }
  }
  return versions;
}

function keySql({ column, dialect }: AuditedTable): string {
  const [team, session] = AUDIT_COLUMNS.key;
  return `CONCAT(CAST(${column(team)} AS ${dialect.types.string}), '|', ${column(session)})`;
}
