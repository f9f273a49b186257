/**
 * An export as the config defines it, with all defaults filled in.
 *
 * Terminology
 * - export: one entry of schedules.yaml: a model, teams, a schedule, a destination, column rules and conditions.
 * - lookback: a session is read only if its first row is at most this much older than the interval. It keeps the scan
 *   small; a sweep reads the rest. Without a sweep all are read.
 * - audit: a comparison of destination and source. Missing rows are due again.
 * - selection: which rows there are: model, teams, conditions.
 * - form: how they look: columns and their rules.
 * - fingerprint: a hash of each. Receipts carry it, so `status` can say which intervals were loaded under others.
 */
import { createHash } from "node:crypto";
import type { FileFormat } from "../../destinations/destination.ts";
import type { Interval } from "../intervals/interval.ts";
import { intervalName } from "../intervals/interval.ts";
import type { Sweep } from "../intervals/due.ts";
import type { Schedule } from "../intervals/schedule.ts";
import type { Column } from "../models/column.ts";
import type { Selection } from "../models/model.ts";

export const COMPRESSIONS = {
  parquet: ["zstd", "snappy", "gzip", "lz4", "brotli", "none"],
  // No lz4: Node.js can't read it, so its rows couldn't be counted.
  jsonl: ["zstd", "gzip", "brotli", "none"],
  csv: ["zstd", "gzip", "brotli", "none"],
} as const satisfies Record<FileFormat, readonly string[]>;

export type Compression = (typeof COMPRESSIONS)[FileFormat][number];

export type ModelChoice =
  | { readonly kind: "session_replays" }
  | {
      readonly kind: "sql";
      /** The file of the SELECT, for messages. */
      readonly file: string;
      readonly sql: string;
      /** The columns that tell one row from another. */
      readonly key: readonly string[];
    };

/** Limits that ClickHouse enforces for one query. */
export interface QueryLimits {
  /** Bytes; ClickHouse spills a GROUP BY to disk at half of it. */
  readonly memoryBytes: number;
  readonly seconds: number;
  /** 0: as many as ClickHouse likes. */
  readonly threads: number;
}

/** When the destination is compared with the source (src/audit), and how far back by the sessions' start. */
export interface AuditRule {
  readonly schedule: Schedule;
  readonly days: number;
}

export interface ExportDefinition {
  readonly name: string;
  readonly model: ModelChoice;
  readonly selection: Selection;
  /** The name of a destination in the config. */
  readonly destination: string;
  readonly schedule: Schedule;
  readonly start: Date;
  /** Nothing after it is due. Undefined: the export never ends. */
  readonly end?: Date | undefined;
  readonly settleMs: number;
  /** How long after its end an interval is read again where the source has shown no later row. */
  readonly quietAfterMs: number;
  readonly lookbackMs: number;
  readonly sweep: Sweep | undefined;
  /** Undefined: off. */
  readonly audit: AuditRule | undefined;
  readonly format: FileFormat;
  readonly compression: Compression;
  /** Template of the folder in a lake. */
  readonly path: string;
  /** Approximate. */
  readonly rowsPerFile: number;
  readonly limits: QueryLimits;
  /** Columns of the source that may be gone. */
  readonly acceptMissingColumns: readonly string[];
  /** The most that one attempt may take, in milliseconds. */
  readonly attemptMs: number;
}

/** What follows the batch's name in a file's name. */
export function fileExtension(format: FileFormat, compression: Compression): string {
  if (format === "parquet") return ".parquet";
  const suffix = { zstd: ".zst", gzip: ".gz", brotli: ".br", lz4: "", snappy: "", none: "" }[compression];
  return `.${format}${suffix}`;
}

/** The id of the batch of an export and an interval. It depends on nothing else. */
export function batchId(exportName: string, of: Interval): string {
  return `${exportName}/${intervalName(of)}`;
}

/**
 * `<selection>-<form>`, eight hexadecimal characters each. Where the rows are written (path, format) is in the receipt
 * itself. The salt goes in as a hash of it.
 */
export function fingerprint(
  { model, selection }: Pick<ExportDefinition, "model" | "selection">,
  columns: readonly Column[],
): string {
  const { teams, where, rules, salt, posthogUrl, emptyDeleted } = selection;
  const rows = {
    model: model.kind === "sql" ? { sql: model.sql, key: model.key } : model.kind,
    teams: teams === "all" ? teams : [...new Set([teams].flat())].sort((one, other) => one - other),
    where,
  };
  const form = {
    rules,
    salt: salt === "" ? "" : hash(`fingerprint\0${salt}`),
    posthogUrl,
    columns: columns.map(({ name, type, nullable }) => [name, type, nullable]),
    // Undefined leaves it out.
    emptyDeleted,
  };
  return `${hash(JSON.stringify(rows)).slice(0, 8)}-${hash(JSON.stringify(form)).slice(0, 8)}`;
}

/** Whether both select the same rows. A fingerprint of 0.1.0 doesn't say which, so it may be any. */
export function sameSelection(one: string, other: string): boolean {
  const [[rows, form], [others]] = [one.split("-"), other.split("-")];
  return form === undefined || rows === others;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
