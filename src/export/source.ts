/** What the core asks of a source. `src/clickhouse` answers it with ClickHouse over HTTP. */
import type { Readable } from "node:stream";
import type { FileFormat } from "../../destinations/destination.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Model, Query } from "../models/model.ts";
import type { Compression, ExportDefinition, QueryLimits } from "./definition.ts";

/** What a query is for: it stands in ClickHouse's query log, and bounds what the query may use. */
export interface QueryPurpose {
  readonly export: string;
  readonly interval: Interval | undefined;
  readonly limits: QueryLimits;
}

/** The bytes of one file, as ClickHouse wrote them. */
export interface Extract {
  /** Destroy it to let go of the query. */
  readonly stream: Readable;
  /** How many rows ClickHouse says that it holds. */
  readonly rows: number;
}

export interface SourceInfo {
  /** For people: `http://localhost:8123, database posthog`. No secret. */
  readonly name: string;
  readonly version: string;
}

/** Every member rejects with ReplayportError, or with `signal.reason`. */
export interface Source extends AsyncDisposable {
  info(signal: AbortSignal): Promise<SourceInfo>;
  /** The model as this source offers it. Rejects where a table or a needed column is missing. */
  model(definition: ExportDefinition, signal: AbortSignal): Promise<Model>;
  /** Runs a query whose few rows hold whole numbers. */
  numbers(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Record<string, number>[]>;
  /** Runs a query whose rows hold one text each. */
  texts(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<string[]>;
  /** Resolves when the query has ended well, before the first byte is read. */
  extract(
    query: Query,
    format: FileFormat,
    compression: Compression,
    purpose: QueryPurpose,
    signal: AbortSignal,
  ): Promise<Extract>;
}
