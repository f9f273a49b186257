/**
 * An export as the config defines it, with all defaults filled in.
 *
 * Terminology
 * - export: one entry of schedules.yaml: a model, teams, a schedule, a destination, column rules and conditions.
 * - lookback: a session is read only if its first row is at most this much older than the interval. It keeps the scan
 *   small; a sweep reads the rest.
 * - fingerprint: a hash of what decides the rows of an export and their columns. Receipts carry it, so `status` can say
 *   which intervals were loaded under older rules.
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

export interface ExportDefinition {
  readonly name: string;
  readonly model: ModelChoice;
  readonly selection: Selection;
  /** The name of a destination in the config. */
  readonly destination: string;
  readonly schedule: Schedule;
  readonly start: Date;
  readonly settleMs: number;
  readonly lookbackMs: number;
  readonly sweep: Sweep | undefined;
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
 * 16 hexadecimal characters that change with anything that shapes the rows and files of an export, but not with its
 * schedule or destination. The salt goes in as a hash of it.
 */
export function fingerprint(definition: ExportDefinition, columns: readonly Column[]): string {
  const { model, selection, format, compression } = definition;
  const shape = {
    model: model.kind === "sql" ? { sql: model.sql, key: model.key } : model.kind,
    teams: selection.teams,
    rules: selection.rules,
    where: selection.where,
    salt: selection.salt === "" ? "" : createHash("sha256").update(`fingerprint\0${selection.salt}`).digest("hex"),
    posthogUrl: selection.posthogUrl,
    format,
    compression,
    columns: columns.map(({ name, type, nullable }) => [name, type, nullable]),
  };
  return createHash("sha256").update(JSON.stringify(shape)).digest("hex").slice(0, 16);
}
