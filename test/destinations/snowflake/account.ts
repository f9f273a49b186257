/**
 * A real Snowflake for tests, of whoever has one:
 *
 *   REPLAYPORT_TEST_SNOWFLAKE_ACCOUNT            organisation-account, or the locator with its region
 *   REPLAYPORT_TEST_SNOWFLAKE_USERNAME
 *   REPLAYPORT_TEST_SNOWFLAKE_PRIVATE_KEY_FILE   with _PRIVATE_KEY_PASSPHRASE where it is encrypted; or _PASSWORD, or _TOKEN
 *   REPLAYPORT_TEST_SNOWFLAKE_WAREHOUSE
 *   REPLAYPORT_TEST_SNOWFLAKE_DATABASE           tests make schemas in it, and drop them again
 *   REPLAYPORT_TEST_SNOWFLAKE_ROLE               default: the user's default role
 *   REPLAYPORT_TEST_SNOWFLAKE_HOST, _PORT, _PROTOCOL   for private connectivity, or an emulator
 *
 * The role needs USAGE on the warehouse, and USAGE and CREATE SCHEMA on the database; it owns what it makes.
 */
import { randomBytes } from "node:crypto";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflake, type SnowflakeAuth, type SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import type { Row } from "../../../destinations/snowflake/statement.ts";
import { EXPORT } from "../../conformance/batches.ts";
import type { HarnessResult } from "../../conformance/harness.ts";
import type { Unavailable } from "../../support/tools.ts";
import { TEST_DEPS } from "./harness.ts";

const PREFIX = "REPLAYPORT_TEST_SNOWFLAKE_";
const given = (name: string): string | undefined => process.env[`${PREFIX}${name}`] || undefined;
const SIGNAL = AbortSignal.timeout(3_600_000);

export interface SnowflakeAccount {
  /** As a plain name in SQL would be read: in upper case. */
  readonly database: string;
  readonly secrets: readonly string[];
  options(schema: string): SnowflakeOptions;
  /** Makes a schema that nobody has used. */
  schema(): Promise<string>;
  dropSchema(schema: string): Promise<void>;
  /** Carries out statements on a session of their own; gives the rows of the last one. */
  sql(...statements: string[]): Promise<readonly Row[]>;
  /** Tables of the schema, and files of the user's stage. */
  objects(schema: string): Promise<{ readonly tables: string[]; readonly files: string[] }>;
}

export function snowflakeAccount(): SnowflakeAccount | Unavailable {
  const [account, username, warehouse, database] = ["ACCOUNT", "USERNAME", "WAREHOUSE", "DATABASE"].map(given);
  const auth = authOf();
  if (!account || !username || !warehouse || !database || !auth) {
    return {
      skip: `no account of Snowflake's: set ${PREFIX}ACCOUNT, _USERNAME, _PRIVATE_KEY_FILE, _WAREHOUSE and _DATABASE; see test/destinations/snowflake/account.ts`,
    };
  }
  const role = given("ROLE");
  const host = given("HOST");
  const port = given("PORT");
  const options = (schema: string): SnowflakeOptions => ({
    type: "snowflake",
    account,
    username,
    auth,
    warehouse,
    database,
    schema: `"${schema}"`,
    table: "sessions",
    ...(role === undefined ? {} : { role }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(given("PROTOCOL") === "http" ? { protocol: "http" } : {}),
  });
  const sql = async (...statements: string[]): Promise<readonly Row[]> => {
    const purpose = { export: "tests", doing: "check" } as const;
    await using session = await sessionOpener(options("PUBLIC"))(purpose, SIGNAL);
    let rows: readonly Row[] = [];
    for (const one of statements) rows = await session.execute({ sql: one, doing: one, grants: [] }, SIGNAL);
    return rows;
  };
  const inDatabase = (schema: string): string => `"${database.toUpperCase()}"."${schema}"`;
  return {
    database: database.toUpperCase(),
    secrets: "password" in auth ? [auth.password] : "token" in auth ? [auth.token] : [],
    options,
    sql,
    async schema() {
      const schema = `REPLAYPORT_TEST_${randomBytes(6).toString("hex").toUpperCase()}`;
      await sql(`CREATE SCHEMA ${inDatabase(schema)}`);
      return schema;
    },
    dropSchema: async (schema) => void (await sql(`DROP SCHEMA IF EXISTS ${inDatabase(schema)} CASCADE`)),
    async objects(schema) {
      const found = `SELECT "TABLE_NAME" AS "NAME" FROM "${database.toUpperCase()}"."INFORMATION_SCHEMA"."TABLES" WHERE "TABLE_SCHEMA" = '${schema}'`;
      const tables = (await sql(found)).map((row) => String(row["NAME"]));
      return { tables, files: (await sql("LIST '@~/replayport/'")).map((row) => String(row["name"])) };
    },
  };
}

function authOf(): SnowflakeAuth | undefined {
  const [path, passphrase, password, token] = ["PRIVATE_KEY_FILE", "PRIVATE_KEY_PASSPHRASE", "PASSWORD", "TOKEN"].map(
    given,
  );
  if (path !== undefined) return { type: "key_file", path, ...(passphrase === undefined ? {} : { passphrase }) };
  if (password !== undefined) return { type: "password", password };
  return token === undefined ? undefined : { type: "oauth", token };
}

const OWN_TABLES = ["SESSIONS", "_REPLAYPORT_LOCK_SESSIONS", "_REPLAYPORT_RECEIPTS"];
/** For the conformance suite. */
export function accountHarness(): Promise<HarnessResult> {
  const account = snowflakeAccount();
  if ("skip" in account) return Promise.resolve(account);
  return Promise.resolve({
    type: "snowflake",
    countsRows: true,
    async open() {
      const schema = await account.schema();
      const { files } = await account.objects(schema);
      const path = (table: string): string => `"${account.database}"."${schema}"."${table}"`;
      return {
        secrets: account.secrets,
        open: () => Promise.resolve(openSnowflake(account.options(schema), { export: EXPORT }, TEST_DEPS)),
        async rows() {
          const { tables } = await account.objects(schema);
          if (!tables.includes("SESSIONS")) return [];
          const select = `SELECT "SESSION_ID", "VALUE", "_VERSION" FROM ${path("SESSIONS")} ORDER BY 1, 3, 2`;
          return (await account.sql(select)).map((row) => ({
            session: String(row["SESSION_ID"]),
            value: Number(row["VALUE"]),
            version: Number(row["_VERSION"]),
          }));
        },
        async leftovers() {
          const found = await account.objects(schema);
          return [
            ...found.tables.filter((name) => !OWN_TABLES.includes(name)),
            ...found.files.filter((file) => !files.includes(file)),
          ];
        },
        async ledgerText() {
          const rows = await Promise.all(
            OWN_TABLES.slice(1).map((table) => account.sql(`SELECT * FROM ${path(table)}`)),
          );
          return JSON.stringify(rows);
        },
        [Symbol.asyncDispose]: () => account.dropSchema(schema),
      };
    },
    openBroken() {
      const options = account.options("NO_SUCH_SCHEMA");
      const open = (more: Partial<typeof options>): ReturnType<typeof openSnowflake> =>
        openSnowflake({ ...options, ...more }, { export: EXPORT }, TEST_DEPS);
      return Promise.resolve([
        open({}),
        open({ auth: { type: "password", password: "wrong" } }),
        open({ role: "no_such_role" }),
        open({ warehouse: "no_such_warehouse" }),
      ]);
    },
  });
}
