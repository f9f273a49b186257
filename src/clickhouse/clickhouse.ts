/**
 * The source: ClickHouse over HTTP. ClickHouse writes the files, this moves bytes: no row is parsed here.
 *
 * Raw `exec()` is used for everything: `query()` and `command()` drop the status and the headers of an error, and the
 * client's result set looks into the stream for rows. Its `abort_signal` no longer works once `exec()` has resolved, so an
 * abort destroys the stream as well.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from "@clickhouse/client";
import type { FileFormat } from "../../destinations/destination.ts";
import { ReplayportError, giveUp, retry } from "../errors.ts";
import type { Compression, ExportDefinition } from "../export/definition.ts";
import type { Counted, Extract, QueryPurpose, Source, SourceInfo } from "../export/source.ts";
import { describeInterval } from "../intervals/interval.ts";
import type { Model, Query } from "../models/model.ts";
import { sqlModel } from "../models/sql_model.ts";
import { sessionReplays } from "../models/session_replays_query.ts";
import { describeSelect, describeTable, TABLE_FACTS, type TableFacts } from "./describe.ts";
import { Refusal, isPage, sourceError } from "./errors.ts";
import { type NumberRow, opened, sealed } from "./seal.ts";
import {
  EFFECTIVE_SETTINGS,
  FORMAT_NAMES,
  type Settings,
  WAIT_FOR_END,
  droppedSettings,
  formatSettings,
  limitSettings,
  settingsClause,
  wireEncoding,
  wireSettings,
} from "./settings.ts";
import { type Rows, asForm, beginningOf, decoded, isEmpty, parseRows } from "./wire.ts";

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

const CLOCK = "toUnixTimestamp64Milli(now64(3))";

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

/** Large numbers come as text. */
function asNumbers(row: NumberRow): Record<string, number> {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value)]));
}

function newQueryId(): string {
  return `replayport-${randomUUID()}`;
}

/** The URL without credentials. */
function publicAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return pathname === "/" ? origin : origin + pathname;
}

export async function openClickHouse(options: ClickHouseOptions): Promise<Source> {
  const name = `ClickHouse at ${publicAddress(options.url)}`;
  const { origin, pathname } = new URL(options.url);
  const client = createClient({
    // Of one address, the client takes the path for the name of a database.
    url: origin,
    ...(pathname === "/" ? {} : { pathname }),
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

interface Answer {
  readonly stream: Readable;
  readonly headers: IncomingHttpHeaders;
  readonly summary: { readonly result_rows?: string } | undefined;
}

function settingsDropped(name: string, dropped: readonly string[]): ReplayportError {
  return new ReplayportError(
    `${name} doesn't keep settings that the export depends on: ${dropped.join(", ")}`,
    giveUp(
      "source.settings_dropped",
      "Something changes the SETTINGS clause of queries, a proxy or a constraint of the user's profile. Rows could be " +
        "missing or wrong without an error, so nothing is read. Let the clause through, or remove the constraint.",
    ),
  );
}

function notOurs(name: string): ReplayportError {
  return new ReplayportError(
    `${name} answered with something else than the result of the query`,
    retry(
      "source.foreign_answer",
      "Something between here and ClickHouse, such as a cache, sends an answer of its own or changes numbers. Replayport " +
        "retries. Exclude Replayport's user from caching, or connect to ClickHouse directly.",
    ),
  );
}

class ClickHouseSource implements Source {
  readonly #client: ClickHouseClient;
  readonly #name: string;
  readonly #options: ClickHouseOptions;
  /** As `info` found it. */
  #version: string | undefined;
  /** Of the replay table, as `info` found them; for the model that is asked for next, and no other. */
  #facts: TableFacts | undefined;

  constructor(client: ClickHouseClient, name: string, options: ClickHouseOptions) {
    this.#client = client;
    this.#name = name;
    this.#options = options;
  }

  async info(signal: AbortSignal): Promise<SourceInfo> {
    try {
      const sql = `SELECT version() AS version, ${CLOCK} AS now_ms, ${EFFECTIVE_SETTINGS} AS settings, ${TABLE_FACTS}`;
      const { database, table } = this.#options;
      const [row] = await this.#ask<TableFacts & { version: string; now_ms: string | number; settings: string[] }>(
        { sql, parameters: { database, table } },
        {},
        signal,
      );
      const dropped = droppedSettings(row?.settings ?? []);
      if (dropped.length > 0) throw settingsDropped(this.#name, dropped);
      this.#facts = row;
      return this.#info(row?.version, row?.now_ms);
    } catch (error) {
      throw this.#wrap("cannot reach the source", error, signal);
    }
  }

  async model(definition: ExportDefinition, signal: AbortSignal): Promise<Model> {
    if (this.#facts === undefined) await this.info(signal);
    const facts = this.#facts;
    this.#facts = undefined;
    const purpose = { export: definition.name, interval: undefined, limits: definition.limits };
    try {
      const ask = async <T>(query: Query): Promise<T[]> => await this.#ask<T>(query, this.#settings(purpose), signal);
      const { model, selection } = definition;
      if (model.kind === "sql") {
        return sqlModel(model, selection, await describeSelect(ask, model, selection));
      }
      const { database, table } = this.#options;
      return sessionReplays(describeTable(database, table, facts), selection);
    } catch (error) {
      throw this.#wrap(`cannot read the model of export ${definition.name}`, error, signal);
    }
  }

  async count(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Counted> {
    // The clock is a constant of the query: it's read before the first row is.
    const items = { _version: "version()", _now_ms: CLOCK };
    const [found] = await this.#numbers(query, items, purpose, signal);
    // A count has a row, also of nothing.
    if (found === undefined) throw notOurs(this.#name);
    const { _version: version = "", _now_ms: now = Number.NaN, ...row } = found;
    return { row: asNumbers(row), info: this.#info(String(version), Number(now)) };
  }

  async numbers(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<Record<string, number>[]> {
    return (await this.#numbers(query, {}, purpose, signal)).map(asNumbers);
  }

  async texts(query: Query, purpose: QueryPurpose, signal: AbortSignal): Promise<string[]> {
    const rows = await this.#measure(purpose, signal, async (settings) => {
      return await this.#ask<Record<string, string>>(query, settings, signal);
    });
    return rows.flatMap((row) => Object.values(row));
  }

  async extract(
    query: Query,
    format: FileFormat,
    compression: Compression,
    purpose: QueryPurpose,
    signal: AbortSignal,
  ): Promise<Extract> {
    const settings = { ...this.#settings(purpose), ...formatSettings(format, compression, this.#version) };
    const sql = `${query.sql}\n${settingsClause(settings)}`;
    const encoding = wireEncoding(format, compression);
    try {
      const { stream, headers, summary } = await this.#send(
        { sql: `${sql}\nFORMAT ${FORMAT_NAMES[format]}`, parameters: query.parameters },
        encoding,
        { ...WAIT_FOR_END, ...wireSettings(format, compression) },
        signal,
      );
      const reported = Number(summary?.result_rows);
      return {
        stream: await this.#unwrap(stream, headers, encoding, compression),
        reported: Number.isSafeInteger(reported) ? reported : undefined,
      };
    } catch (error) {
      throw this.#wrap(`cannot read ${label(purpose)}`, error, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  /** @param items more items of the SELECT, by their names */
  async #numbers(
    query: Query,
    items: Readonly<Record<string, string>>,
    purpose: QueryPurpose,
    signal: AbortSignal,
  ): Promise<NumberRow[]> {
    const { sql, seal } = sealed(
      query.sql,
      Object.entries(items).map(([name, value]) => `${value} AS ${name}`),
    );
    return await this.#measure(purpose, signal, async (settings) => {
      const { data, columns } = await this.#answer<NumberRow>({ ...query, sql }, settings, signal);
      const rows = opened(seal, columns, data, Object.keys(items));
      if (rows === undefined) throw notOurs(this.#name);
      return rows;
    });
  }

  /** Asks what sizes an interval before its rows are read. */
  async #measure<T>(purpose: QueryPurpose, signal: AbortSignal, ask: (settings: Settings) => Promise<T>): Promise<T> {
    try {
      return await ask(this.#settings(purpose));
    } catch (error) {
      throw this.#wrap(`cannot count the rows of ${label(purpose)}`, error, signal);
    }
  }

  #info(version: string | undefined, nowMs: string | number | undefined): SourceInfo {
    this.#version = version;
    const name = `${this.#name}, database ${this.#options.database}`;
    return { name, version: version ?? "", now: new Date(Number(nowMs)) };
  }

  #settings(purpose: QueryPurpose): Settings {
    return { ...limitSettings(purpose.limits), log_comment: logComment(purpose) };
  }

  /** Asks for a few rows. In JSON, whose closing brace proves that all of them came. */
  async #ask<T>(query: Query, settings: Settings, signal: AbortSignal): Promise<T[]> {
    return (await this.#answer<T>(query, settings, signal)).data;
  }

  async #answer<T>(query: Query, settings: Settings, signal: AbortSignal): Promise<Rows<T>> {
    const sql = `${query.sql}\n${settingsClause(settings)}\nFORMAT JSON`;
    const { stream, headers } = await this.#send(
      { sql, parameters: query.parameters },
      "identity",
      { ...WAIT_FOR_END, enable_http_compression: 0 },
      signal,
    );
    const body = await textOf(decoded(stream, headers["content-encoding"]));
    const { data, columns = [], exception } = parseRows(body);
    if (exception !== undefined) throw new Refusal(200, headers, exception);
    if (data === undefined && isPage(headers, body)) throw new Refusal(200, headers, body);
    if (data === undefined) {
      throw new ReplayportError(
        `the answer of ${this.#name} isn't whole`,
        retry("source.truncated", "Something between here and ClickHouse truncated the answer. Replayport retries."),
      );
    }
    return { data: data as T[], columns };
  }

  /** Resolves once ClickHouse answers with success. An abort ends the query and the stream. */
  async #send(query: Query, encoding: string, settings: ClickHouseSettings, signal: AbortSignal): Promise<Answer> {
    // The client notices an abort only during the request.
    signal.throwIfAborted();
    const queryId = newQueryId();
    try {
      const { body, contentType } = asForm(query);
      const { stream, summary, response_headers, http_status_code } = await this.#client.exec({
        query: body,
        query_id: queryId,
        abort_signal: signal,
        decompress_response_stream: false,
        ignore_error_response: true,
        http_headers: { "Accept-Encoding": encoding, "Content-Type": contentType },
        clickhouse_settings: settings,
      });
      const headers = response_headers as IncomingHttpHeaders;
      const abort = (): void => {
        stream.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      };
      // The reader sees the error too. Until there is one, it must not count as unhandled.
      stream.on("error", () => undefined);
      signal.addEventListener("abort", abort, { once: true });
      stream.once("close", () => signal.removeEventListener("abort", abort));
      if (signal.aborted) abort();
      const status = http_status_code ?? 200;
      if (status < 200 || status > 299 || headers["x-clickhouse-exception-code"] !== undefined) {
        throw new Refusal(status, headers, await beginningOf(decoded(stream, headers["content-encoding"])));
      }
      return { stream, headers, summary };
    } catch (error) {
      if (signal.aborted) await this.#kill(queryId);
      throw error;
    }
  }

  /** The bytes of the file. Rejects if they didn't travel as they were asked for: their end would prove nothing. */
  async #unwrap(
    stream: Readable,
    headers: IncomingHttpHeaders,
    encoding: string,
    compression: Compression,
  ): Promise<Readable> {
    const found = headers["content-encoding"] ?? "identity";
    // ClickHouse sends nothing at all for no rows: also no compressed stream.
    if (encoding !== "identity" && (await isEmpty(stream))) return Readable.from([]);
    if (found !== encoding) {
      stream.destroy();
      throw new ReplayportError(
        `the answer of ${this.#name} came as ${found}, not as ${encoding}`,
        giveUp(
          "source.encoding",
          "A proxy in front of ClickHouse changes the answer's compression, or drops enable_http_compression. " +
            "Let it and Accept-Encoding through, or set format: parquet, which needs neither.",
        ),
      );
    }
    return compression === "none" ? decoded(stream, found) : stream;
  }

  /** Closing the connection doesn't end a query that hasn't begun to answer, nor its parts on other shards. */
  async #kill(queryId: string): Promise<void> {
    // The id is ours, and needs no escaping.
    await this.#client
      .command({
        query: `KILL QUERY WHERE query_id = '${queryId}' ASYNC`,
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
