import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflake, openSnowflakeOn, type SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import { DATABASE, PASSWORD, ROLE, type SnowflakeServer, snowflakeServer, WAREHOUSE } from "./emulator.ts";
import { EXPORT } from "../../conformance/batches.ts";
import { crashingSessions } from "./crash.ts";
import type { HarnessResult, SeenRow } from "../../conformance/harness.ts";

export const TABLE = "sessions";
const OWN_TABLES = ["SESSIONS", "_REPLAYPORT_LOCK_SESSIONS", "_REPLAYPORT_RECEIPTS", "_REPLAYPORT_AUDITS"];

/** A clean-up that fails is a fault in these tests, not a warning. */
export const TEST_DEPS: DestinationDeps = {
  now: () => new Date(),
  version: "0.0.0-test",
  onWarning: (message, detail) => {
    throw new Error(message, { cause: detail });
  },
};

export function snowflakeOptions({ url }: Pick<SnowflakeServer, "url">, schema: string): SnowflakeOptions {
  const { hostname, port } = new URL(url);
  return {
    type: "snowflake",
    account: "acme-test",
    username: "PASSWORDS",
    auth: { type: "password", password: PASSWORD },
    role: ROLE,
    warehouse: WAREHOUSE,
    database: DATABASE,
    schema,
    table: TABLE,
    host: hostname,
    protocol: "http",
    port: Number(port),
    loginAttempts: 1,
  };
}

export function openTestSnowflake(options: SnowflakeOptions, deps: Partial<DestinationDeps> = {}): Destination {
  return openSnowflake(options, { export: EXPORT }, { ...TEST_DEPS, ...deps });
}

export async function seenRows(server: SnowflakeServer, schema: string): Promise<SeenRow[]> {
  if (!(await server.objects(schema)).tables.includes("SESSIONS")) return [];
  const rows = await server.sql(
    schema,
    `SELECT "SESSION_ID", "VALUE", "_VERSION" FROM "${DATABASE}"."${schema}"."SESSIONS" ORDER BY 1, 3, 2`,
  );
  return rows.map((row) => ({
    session: String(row["SESSION_ID"]),
    version: Number(row["_VERSION"]),
    value: Number(row["VALUE"]),
  }));
}

/** Tables and files that are neither data nor ledger. Files of other schemas' tests lie in the same stage. */
export async function leftovers(server: SnowflakeServer, schema: string, before: readonly string[]): Promise<string[]> {
  const { tables, files } = await server.objects(schema);
  return [...tables.filter((name) => !OWN_TABLES.includes(name)), ...files.filter((file) => !before.includes(file))];
}

export async function snowflakeHarness(): Promise<HarnessResult> {
  const server = await snowflakeServer();
  if ("skip" in server) return server;
  return {
    type: "snowflake",
    countsRows: true,
    crash: { steps: 60, block: 3, atLeast: { old: 11, new: 3 } },
    async open() {
      const schema = await server.schema();
      const options = snowflakeOptions(server, schema);
      const { files } = await server.objects(schema);
      return {
        secrets: [PASSWORD],
        open: () => Promise.resolve(openTestSnowflake(options)),
        rows: () => seenRows(server, schema),
        leftovers: () => leftovers(server, schema, files),
        async ledgerText() {
          const own = OWN_TABLES.slice(1, 3).map((name) => `SELECT * FROM "${DATABASE}"."${schema}"."${name}"`);
          const rows = await Promise.all(own.map((sql) => server.sql(schema, sql)));
          return JSON.stringify(rows);
        },
        crashing: {
          open(crash) {
            const deps = { ...TEST_DEPS, onWarning: () => undefined };
            const open = crashingSessions(sessionOpener(options), crash);
            return Promise.resolve(openSnowflakeOn(open, options, { export: EXPORT }, deps));
          },
          endSessions: () => server.endSessions(),
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
    async openBroken() {
      const schema = await server.schema();
      const options = snowflakeOptions(server, schema);
      return [
        openTestSnowflake({ ...options, port: 1 }),
        openTestSnowflake({ ...options, auth: { type: "password", password: "wrong" } }),
        openTestSnowflake({ ...options, role: "nobody" }),
        openTestSnowflake({ ...options, warehouse: "nowhere" }),
        openTestSnowflake({ ...options, schema: "no_such_schema" }),
      ];
    },
  };
}
