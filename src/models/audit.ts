/**
 * What an audit compares: sessions by the day of their start and by a part of a checksum. ClickHouse, the warehouses and the
 * lake compute the same numbers. docs/adr/0015-the-audit-has-the-last-word.md
 *
 * The checksum of a session is the first 32 bits of MD5 over its `auditText`, as an unsigned number; a sum of checksums doesn't
 * depend on the order. Its bucket is the first 10 bits of MD5 over its `keyText`, whatever its version is.
 */
import type { Correction } from "./correction.ts";
import { VERSION_COLUMN } from "./reading_order.ts";

export const AUDIT_BUCKETS = 1024;
/** The first 32 bits of a hash divided by this, rounded down, are its bucket. */
export const BUCKET_SIZE = 2 ** 32 / AUDIT_BUCKETS;
export const SECONDS_OF_DAY = 86_400;

/** The columns that the audit needs at a destination. */
export const AUDIT_COLUMNS = { key: ["team_id", "session_id"], version: VERSION_COLUMN, start: "start_time" } as const;

/** Sessions of one day and bucket. */
export interface AuditGroup {
  /** Days since 1970, UTC. */
  readonly day: number;
  readonly bucket: number;
  readonly sessions: number;
  /** The sum of their checksums. */
  readonly checksum: number;
}

/** Sessions of the source. Of those that should have no row at the destination, only `listed` says anything. */
export interface SourceGroup extends AuditGroup {
  /** How many `sessions` of the model lists. */
  readonly listed: number;
  /** Also the sessions that aren't compared, since they've changed after the last read. */
  readonly all: number;
}

export interface AuditKey {
  readonly team: string;
  readonly session: string;
}

/** A key as text, to look it up by. */
export function keyText({ team, session }: AuditKey): string {
  return `${team}|${session}`;
}

/** What a session's checksum is computed from. */
export function auditText(key: AuditKey, version: string): string {
  return `${keyText(key)}|${version}`;
}

/** Which sessions of the source are compared. */
export interface AuditRange {
  /** Midnight UTC. Sessions that began before it are left out. */
  readonly from: Date;
  /** Sessions that were last ingested before this are left out: no interval has them. */
  readonly since: Date;
  /** Sessions that changed at or after this haven't been read yet. */
  readonly before: Date;
  /** Deleted sessions have no row at the destination. */
  readonly dropsDeleted: boolean;
  /** As for a read. */
  readonly corrections: readonly Correction[];
}

/** A session of the source. */
export interface AuditedSession extends AuditKey {
  readonly day: number;
  /** When it was last ingested, in seconds since 1970. */
  readonly ingested: number;
  /** The destination should have no row of it: it was deleted, or doesn't match the export's `where`. */
  readonly gone: boolean;
  readonly version: string;
  readonly checksum: number;
}

const AUDITED =
  /^(?<day>\d+)\|(?<ingested>\d+)\|(?<gone>[01])\|(?<checksum>\d+)\|(?<version>[^|]*)\|(?<team>-?\d+)\|(?<session>.*)$/s;

export function parseAudited(text: string): AuditedSession {
  const parts = AUDITED.exec(text)?.groups;
  if (!parts) throw new Error(`not a session of an audit: ${text}`);
  const { day, ingested, gone, checksum, version = "", team = "", session = "" } = parts;
  const numbers = { day: Number(day), ingested: Number(ingested), checksum: Number(checksum) };
  return { ...numbers, gone: gone === "1", version, team, session };
}
