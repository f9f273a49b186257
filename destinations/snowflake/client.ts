/** Sessions over snowflake-sdk. Only this file and driver.ts use it. */
import { setTimeout } from "node:timers/promises";
import { driverAuth } from "./auth.ts";
import { type DriverConnection, type DriverStatement, loadDriver } from "./driver.ts";
import { type ErrorContext, noAnswer, snowflakeError } from "./errors.ts";
import { sqlName } from "../sql/snowflake.ts";
import { DEFAULT_STATEMENT_MS, type SnowflakeOptions } from "./options.ts";
import { configureSession } from "./session_sql.ts";
import type { OpenSession, Row, Session, Statement } from "./statement.ts";

/** How long to wait, after the time limit, for the answer that the statement was cancelled. Never longer than the limit. */
const GRACE_MS = 15_000;
const CLOSE_MS = 10_000;
const CANCEL_MS = 5_000;
/** How long to wait for an upload after an abort: a file that arrives after its folder was cleared would stay there. */
const UPLOAD_MS = 10_000;
const LOGIN_ATTEMPTS = 3;
const LOGIN: Statement = { sql: "", doing: "logging in to Snowflake", grants: [] };

export function addressOf({ account, host, protocol, port }: SnowflakeOptions): string {
  const name = host ?? hostOf(account);
  return `${protocol ?? "https"}://${name}${port === undefined ? "" : `:${port}`}`;
}

/** As the driver has it: the first region's accounts go without its name, and those in China have a domain of their own. */
function hostOf(account: string): string {
  const [locator = account, ...region] = account.split(".");
  if (region.join(".").toLowerCase() === "us-west-2") return `${locator}.snowflakecomputing.com`;
  return `${account}.snowflakecomputing.${/^cn-/i.test(region.join(".")) ? "cn" : "com"}`;
}

export function errorContext(options: SnowflakeOptions): ErrorContext {
  const { auth } = options;
  const kinds = {
    key: "key pair",
    key_file: "key pair",
    password: "password",
    oauth: "OAuth token",
    oauth_file: "OAuth token",
  } as const;
  const secrets = [
    "pem" in auth ? auth.pem : undefined,
    "passphrase" in auth ? auth.passphrase : undefined,
    "password" in auth ? auth.password : undefined,
    "token" in auth ? auth.token : undefined,
  ];
  return {
    account: options.account,
    username: options.username,
    role: sqlName(options.role),
    warehouse: sqlName(options.warehouse),
    address: addressOf(options),
    auth: kinds[auth.type],
    renewable: auth.type === "oauth_file",
    secrets: secrets.filter((secret) => secret !== undefined),
  };
}

/** Opens a session per call: logs in and configures it. So a token may expire between two calls. */
export function sessionOpener(options: SnowflakeOptions): OpenSession {
  const context = errorContext(options);
  const limitMs = options.statementTimeoutMs ?? DEFAULT_STATEMENT_MS;
  return async (purpose, signal) => {
    signal.throwIfAborted();
    const auth = await driverAuth(options.auth);
    const driver = await loadDriver();
    signal.throwIfAborted();
    let connection: DriverConnection;
    try {
      connection = driver.createConnection({
        ...auth,
        account: options.account,
        username: options.username,
        accessUrl: addressOf(options),
        application: "Replayport",
        sfRetryMaxLoginRetries: (options.loginAttempts ?? LOGIN_ATTEMPTS) - 1,
        clientSessionKeepAlive: false,
        ...(context.role === undefined ? {} : { role: context.role }),
        ...(context.warehouse === undefined ? {} : { warehouse: context.warehouse }),
      });
    } catch (error) {
      throw snowflakeError(error, LOGIN, context);
    }
    const session = new DriverSession(connection, context, limitMs);
    try {
      await session.connect(signal);
      const statementSeconds = Math.max(1, Math.ceil(limitMs / 1000));
      await session.execute(configureSession({ purpose, queryTag: options.queryTag, statementSeconds }), signal);
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  };
}

class DriverSession implements Session {
  readonly #connection: DriverConnection;
  readonly #context: ErrorContext;
  readonly #limitMs: number;
  /** Requests to cancel that haven't been answered. */
  readonly #cancelling = new Set<Promise<void>>();
  #connected = false;

  constructor(connection: DriverConnection, context: ErrorContext, limitMs: number) {
    this.#connection = connection;
    this.#context = context;
    this.#limitMs = limitMs;
  }

  connect(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#connection.connect((error) => {
        signal.removeEventListener("abort", onAbort);
        this.#connected = error === undefined || error === null;
        if (!this.#connected) reject(snowflakeError(error, LOGIN, this.#context));
        // Nobody waits for it any more, so nobody else would close it.
        else if (signal.aborted) this.#connection.destroy(() => undefined);
        else resolve();
      });
    });
  }

  async execute(statement: Statement, signal: AbortSignal): Promise<readonly Row[]> {
    signal.throwIfAborted();
    // What was cancelled must have ended before the next statement, such as a ROLLBACK.
    if (this.#cancelling.size > 0) await this.#cancelled(signal);
    const waitMs = this.#limitMs + Math.min(this.#limitMs, GRACE_MS);
    const timeout = AbortSignal.timeout(waitMs);
    const either = AbortSignal.any([signal, timeout]);
    const ended = new AbortController();
    return await new Promise((resolve, reject) => {
      let running: DriverStatement | undefined;
      // A cancelled statement answers late or never, so don't wait for it.
      const onAbort = (): void => {
        if (running) this.#cancel(running);
        const reason = signal.aborted ? (signal.reason as Error) : noAnswer(statement, waitMs, this.#context);
        if (statement.uploads !== true) return reject(reason);
        const patience = setTimeout(UPLOAD_MS, undefined, { signal: ended.signal });
        void patience.catch(() => undefined).then(() => reject(reason));
      };
      either.addEventListener("abort", onAbort, { once: true });
      running = this.#connection.execute({
        sqlText: statement.sql,
        complete: (error, _statement, rows) => {
          ended.abort();
          either.removeEventListener("abort", onAbort);
          if (either.aborted) return;
          if (error === undefined || error === null) resolve(rows ?? []);
          else reject(snowflakeError(error, statement, this.#context));
        },
      });
    });
  }

  /** Waits for requests to cancel, but not for long: without an answer the driver repeats them for minutes. */
  async #cancelled(signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const patience = setTimeout(CANCEL_MS, undefined, { signal: AbortSignal.any([signal, waiting.signal]) });
    await Promise.race([Promise.allSettled(this.#cancelling), patience.catch(() => undefined)]);
    waiting.abort();
    signal.throwIfAborted();
  }

  #cancel(running: DriverStatement): void {
    const cancelled = new Promise<void>((resolve) => {
      // An error means that it has ended.
      running.cancel(() => resolve());
    }).finally(() => this.#cancelling.delete(cancelled));
    this.#cancelling.add(cancelled);
  }

  /** Never rejects: a session that can't be closed ends by itself, and its transaction with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#connected) return;
    this.#connected = false;
    const waiting = new AbortController();
    const patience = setTimeout(CLOSE_MS, undefined, { signal: waiting.signal });
    const close = Promise.allSettled(this.#cancelling).then(() => this.#close());
    await Promise.race([close, patience.catch(() => undefined)]);
    waiting.abort();
  }

  #close(): Promise<void> {
    return new Promise((resolve) => {
      this.#connection.destroy(() => resolve());
    });
  }
}
