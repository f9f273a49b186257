import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import { type ChdbModule, type ChdbResult, type ChdbSession, insertRaw } from "./chdb.ts";
import { fromEngine } from "./exception.ts";

export interface EngineOptions {
  /** The data directory. */
  readonly path: string;
  /** Bytes for all queries together. A query that needs more fails with code 241. */
  readonly memoryLimitBytes?: number | undefined;
  /** `max_threads` of queries that don't set it. */
  readonly threads?: number | undefined;
  /** Further arguments, as of `clickhouse local`. */
  readonly arguments: readonly string[];
}

export interface EngineQuery {
  readonly sql: string;
  /** The format of the result, if the statement doesn't write it to a file. */
  readonly format: string;
  /** The rows that follow an INSERT. */
  readonly data?: Uint8Array;
  readonly settings: ReadonlyMap<string, string>;
  readonly params: ReadonlyMap<string, string>;
  readonly database: string | undefined;
}

/**
 * Queries that run at once; others wait. Each occupies a thread of libuv's pool while it runs. Files are read through the
 * same pool, so it has to be larger (THREAD_POOL).
 */
const AT_ONCE = 8;
/** UV_THREADPOOL_SIZE of the engine's process: the queries, the kill statement, and the files. */
export const THREAD_POOL = AT_ONCE + 8;

const KILL_AGAIN_MS = 100;
/** The setting that carries a query's mark: a label of the query cache, which is off unless a query turns it on. */
const MARKED = "query_cache_tag";

/**
 * The engine, with one connection per query. A connection costs 1 ms and has its own settings, parameters and buffer, so
 * nothing leaks from one query to the next, not even from a failed one.
 */
export class Engine implements Disposable {
  readonly #chdb: ChdbModule;
  readonly #options: EngineOptions;
  /** Keeps the engine open between queries. */
  readonly #control: ChdbSession;
  readonly #limit = pLimit(AT_ONCE);
  readonly #running = new Set<Promise<unknown>>();

  /** @throws what chdb throws, for example if another process has locked the data directory */
  constructor(chdb: ChdbModule, options: EngineOptions) {
    this.#chdb = chdb;
    this.#options = options;
    const memory = options.memoryLimitBytes;
    const limit = memory === undefined ? [] : [`--max_server_memory_usage=${memory}`];
    const connectionArgs = [...options.arguments, ...limit];
    this.#control = new chdb.Session(options.path, { connectionArgs });
  }

  async version(): Promise<string> {
    const result = await this.#control.queryAsync("SELECT version()", { format: "TabSeparatedRaw" });
    return Buffer.from(result.bytes()).toString().trim();
  }

  /**
   * Runs one statement. An abort kills it in the engine; the promise settles only when it has ended there.
   *
   * @throws ServerException; `signal.reason` if the statement was aborted
   */
  run(query: EngineQuery, signal: AbortSignal): Promise<ChdbResult> {
    const run = this.#limit(() => this.#run(query, signal));
    this.#running.add(run);
    const forget = (): void => void this.#running.delete(run);
    run.then(forget, forget);
    return run;
  }

  /** Resolves when no query is running. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #run(query: EngineQuery, signal: AbortSignal): Promise<ChdbResult> {
    signal.throwIfAborted();
    const mark = randomUUID();
    const session = new this.#chdb.Session(this.#options.path);
    try {
      for (const sql of this.#preparation(query, mark)) await session.queryAsync(sql, { format: "TabSeparated" });
      signal.throwIfAborted();
      const running =
        query.data === undefined
          ? session.queryAsync(query.sql, { format: query.format })
          : insertRaw(session, query.sql, query.data);
      const killed = this.#killWhenAborted(mark, running, signal);
      try {
        return await running;
      } finally {
        await killed;
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : fromEngine(error);
    } finally {
      session.close();
    }
  }

  /**
   * The statements that prepare a connection for the query. The settings come last: one may be `readonly`. The mark is a
   * setting, so that #kill finds it; a mark in the SQL would be lost when parameters are bound.
   */
  #preparation(query: EngineQuery, mark: string): readonly string[] {
    const settings = new Map(query.settings);
    settings.set(MARKED, mark);
    if (this.#options.threads !== undefined && !settings.has("max_threads")) {
      settings.set("max_threads", String(this.#options.threads));
    }
    const statements: string[] = [];
    if (query.database !== undefined && query.database !== "") statements.push(`USE ${identifier(query.database)}`);
    const params = [...query.params].map(([name, value]) => `${identifier(`param_${name}`)} = ${literal(value)}`);
    if (params.length > 0) statements.push(`SET ${params.join(", ")}`);
    const changes = [...settings].map(([name, value]) => `${identifier(name)} = ${literal(value)}`);
    if (changes.length > 0) statements.push(`SET ${changes.join(", ")}`);
    return statements;
  }

  async #killWhenAborted(mark: string, running: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const stop = (): void => ended.abort();
    running.then(stop, stop);
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { signal: ended.signal });
      ended.signal.addEventListener("abort", () => resolve());
    });
    if (!signal.aborted) await aborted;
    // Repeatedly: a statement that is still being parsed isn't among the processes yet.
    while (!ended.signal.aborted) {
      await this.#kill(mark);
      await delay(KILL_AGAIN_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  async #kill(mark: string): Promise<void> {
    const sql = `KILL QUERY WHERE startsWith(Settings[${literal(MARKED)}], ${literal(mark)}) ASYNC`;
    await this.#control.queryAsync(sql, { format: "Null" }).catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#control.close();
  }
}

/** A string literal of ClickHouse's SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function identifier(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}
