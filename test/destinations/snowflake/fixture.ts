/** Snowflake's emulator with a schema of one test's own. */
import { setTimeout } from "node:timers/promises";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn, type SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import type { OpenSession, Statement } from "../../../destinations/snowflake/statement.ts";
import { EXPORT } from "../../conformance/batches.ts";
import { openTestSnowflake, snowflakeOptions, TEST_DEPS } from "./harness.ts";
import { type SessionBatches, sessionBatches } from "./batches.ts";
import { DATABASE, snowflakeServer, type SnowflakeServer } from "./emulator.ts";

const found = await snowflakeServer();

/** For the option `skip` of a suite: why there is no server, or `false`. */
export const skip = "skip" in found ? found.skip : false;
/** Only to be used where `skip` is false. */
export const server = found as SnowflakeServer;
export const SIGNAL = AbortSignal.timeout(600_000);

/** Called around each statement of the destination's sessions, also where it fails; it may wait, or throw. */
export interface StatementHook {
  readonly before?: (statement: Statement) => Promise<void> | void;
  readonly after?: (statement: Statement) => Promise<void> | void;
}

export function hookedSessions(open: OpenSession, { before, after }: StatementHook): OpenSession {
  return async (purpose, signal) => {
    const session = await open(purpose, signal);
    return {
      async execute(statement, inner) {
        await before?.(statement);
        try {
          return await session.execute(statement, inner);
        } finally {
          await after?.(statement);
        }
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  };
}

/** A destination on sessions that are hooked; its warnings are nobody's concern. */
export function openHooked(options: SnowflakeOptions, hook: StatementHook): Destination {
  const open = hookedSessions(sessionOpener(options), hook);
  return openSnowflakeOn(open, options, { export: EXPORT }, { ...TEST_DEPS, onWarning: () => undefined });
}

/** Resolves when the server has been told something that matches, also where it has not answered yet. */
export async function told(pattern: RegExp): Promise<void> {
  while (!(await server.log()).some(({ sql }) => sql !== undefined && pattern.test(sql))) await setTimeout(20);
}

export interface Fixture extends SessionBatches {
  readonly schema: string;
  readonly options: SnowflakeOptions;
  open(options?: Partial<SnowflakeOptions>, deps?: Partial<DestinationDeps>): Destination;
  /** Rows of a table in the schema, ordered by the first columns. */
  rows(table: string, columns?: string): Promise<Readonly<Record<string, unknown>>[]>;
  sql(...statements: string[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** Statements that the destination sent, without those of the layer itself. */
  sent(): Promise<string[]>;
}

export async function openFixture(): Promise<Fixture> {
  const schema = await server.schema();
  await server.inject();
  await server.clearLog();
  const batches = await sessionBatches();
  const options = snowflakeOptions(server, schema);
  const sql = (...statements: string[]): Promise<Readonly<Record<string, unknown>>[]> =>
    server.sql(schema, ...statements);
  return {
    schema,
    folder: batches.folder,
    batch: (of) => batches.batch(of),
    options,
    open: (more = {}, deps = {}) => openTestSnowflake({ ...options, ...more }, deps),
    sql,
    rows: (table, columns = "*") => sql(`SELECT ${columns} FROM "${DATABASE}"."${schema}"."${table}" ORDER BY 1, 2`),
    sent: async () => (await server.log()).flatMap((entry) => (entry.sql === undefined ? [] : [entry.sql])),
    async [Symbol.asyncDispose]() {
      await batches[Symbol.asyncDispose]();
      await server.inject();
    },
  };
}
