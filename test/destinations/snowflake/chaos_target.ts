/** A table of Snowflake's emulator, asked by a statement of the tests' own. */
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { snowflakeOptions } from "./harness.ts";
import { crashingSessions } from "./crash.ts";
import { server } from "./fixture.ts";
import { DATABASE } from "./emulator.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";

const COLUMNS = FIELDS.map(({ field, column: { name, type } }) => {
  const column = `"${name.toUpperCase()}"`;
  return `${type === "timestamp" ? `DATE_PART(EPOCH_MICROSECOND, ${column})` : column} AS "${field}"`;
}).join(", ");

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
      return (
        await server.sql(
          schema,
          `SELECT "TEAM_ID" || '/' || "SESSION_ID" AS "key", ${COLUMNS} FROM ${table} ORDER BY "TEAM_ID", "SESSION_ID"`,
        )
      ).map(rowOf);
    },
    /** A tombstone: what tells something of the person is gone. */
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row),
    [Symbol.asyncDispose]: () => server.endSessions(),
  };
}

/** The client gives numbers as text, and lists as JSON. */
function rowOf(row: Readonly<Record<string, unknown>>): Row {
  const fields = FIELDS.map(({ field, column: { type } }) => {
    const value = row[field];
    if (value === null || value === undefined) return [field, null];
    if (type.endsWith("[]")) return [field, typeof value === "string" ? JSON.parse(value) : value];
    return [field, type === "string" || type === "bool" ? value : Number(value)];
  });
  return { ...Object.fromEntries(fields), key: String(row["key"]) };
}
