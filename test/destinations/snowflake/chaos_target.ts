/** A table of Snowflake's emulator, asked by a statement of the tests' own. */
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { snowflakeOptions } from "./harness.ts";
import { crashingSessions } from "./crash.ts";
import { server } from "./fixture.ts";
import { DATABASE } from "./emulator.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import type { Row } from "../../support/replay_rows.ts";

const COLUMNS = [
  `"TEAM_ID" || '/' || "SESSION_ID" AS "KEY"`,
  'DATE_PART(EPOCH_MICROSECOND, "START_TIME") AS "START_US"',
  'DATE_PART(EPOCH_MICROSECOND, "END_TIME") AS "END_US"',
  'DATE_PART(EPOCH_SECOND, "_INGESTED_AT") AS "INGESTED"',
  'DATE_PART(EPOCH_SECOND, "EXPIRES_AT") AS "EXPIRES"',
  '"CLICK_COUNT", "MESSAGE_COUNT", "FIRST_URL", "ALL_URLS", "AI_TAGS_FIXED", "IS_DELETED"',
  '"RETENTION_PERIOD_DAYS", "SURFACING_SCORE", "SNAPSHOT_SOURCE", "_VERSION"',
].join(", ");

export async function snowflakeChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const schema = await server.schema();
  const options = snowflakeOptions(server, schema);
  return {
    open(now, { crash }) {
      const sessions = sessionOpener(options);
      const deps = { now, version: "test", onWarning: () => undefined };
      return openSnowflakeOn(
        crash ? crashingSessions(sessions, crash) : sessions,
        options,
        { export: definition.name },
        deps,
      );
    },
    async rows() {
      const { tables } = await server.objects(schema);
      if (!tables.includes("SESSIONS")) return [];
      const table = `"${DATABASE}"."${schema}"."SESSIONS"`;
      return (await server.sql(schema, `SELECT ${COLUMNS} FROM ${table} ORDER BY "TEAM_ID", "SESSION_ID"`)).map(rowOf);
    },
    /** A tombstone: what tells something of the person is gone. */
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row),
    [Symbol.asyncDispose]: () => server.endSessions(),
  };
}

function rowOf(row: Readonly<Record<string, unknown>>): Row {
  const number = (name: string): number | null => (row[name] === null ? null : Number(row[name]));
  const list = (name: string): unknown => {
    const value = row[name];
    return typeof value === "string" ? JSON.parse(value) : value;
  };
  return {
    key: String(row["KEY"]),
    start_us: number("START_US"),
    end_us: number("END_US"),
    ingested: number("INGESTED"),
    clicks: number("CLICK_COUNT"),
    messages: number("MESSAGE_COUNT"),
    first_url: row["FIRST_URL"],
    urls: list("ALL_URLS"),
    tags: list("AI_TAGS_FIXED"),
    deleted: row["IS_DELETED"],
    retention: number("RETENTION_PERIOD_DAYS"),
    score: number("SURFACING_SCORE"),
    source: row["SNAPSHOT_SOURCE"],
    expires: number("EXPIRES"),
    version: row["_VERSION"],
  };
}
