/** The promises of every destination, held against a real Snowflake where somebody has one: see the harness. */
import { openSnowflake } from "../../../destinations/snowflake/index.ts";
import { snowflakeAccount } from "./account.ts";
import { EXPORT } from "../../conformance/batches.ts";
import type { HarnessResult } from "../../conformance/harness.ts";
import { TEST_DEPS } from "./harness.ts";
import { conformance } from "../../conformance/suite.ts";

const OWN_TABLES = ["SESSIONS", "_REPLAYPORT_LOCK_SESSIONS", "_REPLAYPORT_RECEIPTS"];
/** Each statement crosses the internet, and a case may load several times. */
const CASE_MS = 600_000;

function accountHarness(): Promise<HarnessResult> {
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

conformance("snowflake, a real account", accountHarness, CASE_MS);
