/**
 * The source: ClickHouse over HTTP. ClickHouse writes the files, this moves bytes: no row is parsed here.
 *
 * Raw `exec()` is used for files, not `query()`: the client's result set looks into the stream for rows. Its
 * `abort_signal` no longer works once `exec()` has resolved, so an abort destroys the stream as well.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { FileFormat } from "../../destinations/destination.ts";
import { ReplayportError, giveUp } from "../errors.ts";
import type { Compression, ExportDefinition } from "../export/definition.ts";
import type { Extract, QueryPurpose, Source, SourceInfo } from "../export/source.ts";
import { describeInterval } from "../intervals/interval.ts";
import type { Model, Query } from "../models/model.ts";
import { sqlModel } from "../models/sql_model.ts";
import { sessionReplays } from "../models/session_replays_query.ts";
import { describeSelect, describeTable } from "./describe.ts";
import { sourceError } from "./errors.ts";
import { FORMAT_NAMES, WAIT_FOR_END, acceptEncoding, formatSettings, limitSettings } from "./settings.ts";

export interface ClickHouseOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly table: string;
  /** Milliseconds without a byte after which a request is given up. */
  readonly requestTimeoutMs: number;
  /** PEM file of the authority that signed the server's certificate. */
  readonly caFile?: string | undefined;
}

/** The most that a KILL QUERY may take when a run is aborted, in milliseconds. */
const KILL_TIMEOUT_MS = 5_000;

/** A response carries one progress header a minute, possibly for hours. */
const MAX_HEADER_BYTES = 1024 * 1024;

function logComment(purpose: QueryPurpose): string {
  const { interval } = purpose;
  const span = interval ? { start: interval.start.toISOString(), end: interval.end.toISOString() } : {};
  return JSON.stringify({ app: "replayport", export: purpose.export, ...span });
}

function label(purpose: QueryPurpose): string {
  return purpose.interval
    ? `export ${purpose.export}, ${describeInterval(purpose.interval)}`
    : `export ${purpose.export}`;
}

function newQueryId(): string {
  return `replayport-${randomUUID()}`;
}

/** The URL without credentials. */
function publicAddress(url: string): string {
  const address = new URL(url);
  return `${address.protocol}//${address.host}`;
}

export async function openClickHouse(options: ClickHouseOptions): Promise<Source> {
  const name = `ClickHouse at ${publicAddress(options.url)}`;
  const client = createClient({
    url: options.url,
    username: options.username,
    password: options.password,
    database: options.database,
    request_timeout: options.requestTimeoutMs,
    application: "replayport",
    compression: { response: false, request: false },
    // Node.js' own agent closes idle connections by the server's Keep-Alive header. The client's timer does
    // too, but loses track of a request that is aborted before it has its connection, and then ends one that is in use.
    keep_alive: { enabled: true, idle_socket_ttl: 0 },
    max_response_headers_size: MAX_HEADER_BYTES,
    // Its errors reach the caller; a second copy on stderr would carry the query's parameters.
    log: { level: ClickHouseLogLevel.OFF },
    ...(options.caFile === undefined ? {} : { tls: { ca_cert: await readFile(options.caFile) } }),
  });
  return new ClickHouseSource(client, name, options);
}

class ClickHouseSource implements Source {
  readonly #client: ClickHouseClient;
  readonly #name: string;
  readonly #options: ClickHouseOptions;
  #info: Promise<SourceInfo> | undefined;

  constructor(client: ClickHouseClient, name: string, options: ClickHouseOptions) {
    this.#client = client;
    this.#name = name;
    this.#options = options;
  }

  async info(signal: AbortSignal): Promise<SourceInfo> {
    this.#info ??= this.#ask<{ version: string }>({ sql: "SELECT version() AS version", parameters: {} }, {}, signal)
      .then(([row]) => ({ name: `${this.#name}, database ${this.#options.database}`, version: row?.version ?? "" }))
      .catch((error: unknown) => {
        this.#info = undefined;
        throw this.#wrap("cannot reach the source", error, signal);
      });
    return await this.#info;
  }

  async model(definition: ExportDefinition, signal: AbortSignal): Promise<Model> {
    const purpose = { export: definition.name, interval: undefined, limits: definition.limits };
    try {
      const ask = async <T>(query: Query): Promise<T[]> => await this.#ask<T>(query, this.#settings(purpose), signal);
      const { model, selection } = definition;
      if (model.kind === "sql") {
        return sqlModel(model, selection, await describeSelect(ask, model, selection));
      }
      return sessionReplays(await describeTable(ask, this.#options.database, this.#options.table), selection);
    } catch (error) {
      throw this.#wrap(`cannot read the model of export ${definition.name}`, error, signal);
    }
  }

  async numbers(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Record<string, number>[]> {
    const rows = await this.#measure<string | number>(query, purpose, signal);
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value)])));
  }

  async texts(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<string[]> {
    const rows = await this.#measure<string>(query, purpose, signal);
    return rows.flatMap((row) => Object.values(row));
  }

  async extract(
    query: Query,
    format: FileFormat,
    compression: Compression,
    purpose: QueryPurpose,
    signal: AbortSignal,
  ): Promise<Extract> {
    // The client notices an abort only during the request.
    signal.throwIfAborted();
    const queryId = newQueryId();
    try {
      const result = await this.#client.exec({
        query: `${query.sql}\nFORMAT ${FORMAT_NAMES[format]}`,
        query_params: query.parameters,
        query_id: queryId,
        abort_signal: signal,
        decompress_response_stream: false,
        http_headers: { "Accept-Encoding": acceptEncoding(format, compression) },
        clickhouse_settings: {
          ...this.#settings(purpose),
          ...WAIT_FOR_END,
          ...formatSettings(format, compression),
        },
      });
      const { stream } = result;
      const abort = (): void => {
        stream.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      };
      // The reader sees the error too. Until there is one, it must not count as unhandled.
      stream.on("error", () => undefined);
      signal.addEventListener("abort", abort, { once: true });
      stream.once("close", () => signal.removeEventListener("abort", abort));
      if (signal.aborted) abort();
      const rows = Number(result.summary?.result_rows);
      if (!Number.isSafeInteger(rows)) {
        stream.destroy();
        throw new ReplayportError(
          `the answer of ${this.#name} lacks the row count (X-ClickHouse-Summary)`,
          giveUp(
            "source.no_summary",
            "A proxy in front of ClickHouse may be removing headers. Let X-ClickHouse-Summary through.",
          ),
        );
      }
      return { stream, rows };
    } catch (error) {
      if (signal.aborted) await this.#kill(queryId);
      throw this.#wrap(`cannot read ${label(purpose)}`, error, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  /** Runs a query that sizes an interval before its rows are read. */
  async #measure<Value>(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Record<string, Value>[]> {
    try {
      return await this.#ask<Record<string, Value>>(query, this.#settings(purpose), signal);
    } catch (error) {
      throw this.#wrap(`cannot count the rows of ${label(purpose)}`, error, signal);
    }
  }

  #settings(purpose: QueryPurpose): ReturnType<typeof limitSettings> {
    return { ...limitSettings(purpose.limits), log_comment: logComment(purpose) };
  }

  async #ask<T>(query: Query, settings: object, signal: AbortSignal): Promise<T[]> {
    signal.throwIfAborted();
    const queryId = newQueryId();
    try {
      const result = await this.#client.query({
        query: query.sql,
        query_params: query.parameters,
        query_id: queryId,
        format: "JSONEachRow",
        abort_signal: signal,
        clickhouse_settings: { ...settings, ...WAIT_FOR_END },
      });
      return await result.json<T>();
    } catch (error) {
      if (signal.aborted) await this.#kill(queryId);
      throw error;
    }
  }

  /** Closing the connection doesn't end a query that hasn't begun to answer, nor its parts on other shards. */
  async #kill(queryId: string): Promise<void> {
    await this.#client
      .command({
        query: "KILL QUERY WHERE query_id = {query_id:String} ASYNC",
        query_params: { query_id: queryId },
        abort_signal: AbortSignal.timeout(KILL_TIMEOUT_MS),
      })
      // Without the right to kill, cancel_http_readonly_queries_on_client_close still ends it.
      .catch(() => undefined);
  }

  #wrap(doing: string, error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return sourceError(doing, this.#name, error);
  }
}
