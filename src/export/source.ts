/** The interface between the core and a source. `src/clickhouse` implements it with ClickHouse over HTTP. */
import type { Readable } from "node:stream";
import type { FileFormat } from "../../destinations/destination.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Model, Query } from "../models/model.ts";
import type { Compression, ExportDefinition, QueryLimits } from "./definition.ts";

/** What a query is for. Written to ClickHouse's query log, with the limits that the query gets. */
export interface QueryPurpose {
  readonly export: string;
  readonly interval: Interval | undefined;
  readonly limits: QueryLimits;
}

/** The bytes of one file, as ClickHouse wrote them. */
export interface Extract {
  /** Destroying it ends the query. */
  readonly stream: Readable;
  /** Its rows as X-ClickHouse-Summary says. A proxy may drop the header, and a server may send it too early. */
  readonly reported: number | undefined;
}

export interface SourceInfo {
  /** For people: `http://localhost:8123, database posthog`. No secret. */
  readonly name: string;
  readonly version: string;
  /** Its clock, read between question and answer. Undefined for a source on this machine, which has the same clock. */
  readonly now?: Date;
}

/** What an interval holds, and what time it was when that was asked. */
export interface Counted {
  readonly row: Readonly<Record<string, number>>;
  /** Its clock was read when the count began. */
  readonly info: SourceInfo;
}

/** Every member rejects with ReplayportError, or with `signal.reason`. */
export interface Source extends AsyncDisposable {
  /** Not cached: an old time says nothing about the clock. */
  info(signal: AbortSignal): Promise<SourceInfo>;
  /**
   * The model as this source offers it. Rejects if the table or a required column is missing, or if settings that decide
   * about rows don't hold.
   */
  model(definition: ExportDefinition, signal: AbortSignal): Promise<Model>;
  /** The row of `Model.count`, and the clock, in one query. */
  count(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Counted>;
  /** Runs a query that returns a few rows of whole numbers. */
  numbers(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Record<string, number>[]>;
  /** Runs a query that returns one text per row. */
  texts(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<string[]>;
  /** Resolves once the query has succeeded, before the first byte is read. */
  extract(
    query: Query,
    format: FileFormat,
    compression: Compression,
    purpose: QueryPurpose,
    signal: AbortSignal,
  ): Promise<Extract>;
}
