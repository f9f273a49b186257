/** A table of BigQuery's emulator, asked by a statement of the tests' own. */
import assert from "node:assert/strict";
import { openBigQuery } from "../../../destinations/bigquery/index.ts";
import type { Destination } from "../../../destinations/destination.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { bigqueryOptions, TABLE } from "./harness.ts";
import { crashingBigQuery } from "./crash.ts";
import { bigqueryServer, PROJECT } from "./emulator.ts";
import { openFaultProxy } from "../../support/fault_proxy.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";

/** The rows of session_replays as replay_rows.ts has them. */
export const CURRENT_ROWS = `SELECT TO_JSON_STRING(STRUCT(CONCAT(CAST(team_id AS STRING), '/', session_id) AS key, ${FIELDS.map(
  ({ field, column: { name, type } }) => `${type === "timestamp" ? `UNIX_MICROS(${name})` : name} AS ${field}`,
).join(", ")})) AS session
FROM TABLE_ ORDER BY team_id, session_id`;

/** A tombstone: what tells something of the person is gone. */
export function tombstone(row: Row): Row {
  return row["deleted"] === true ? { ...row, first_url: null, urls: [] } : row;
}

export async function bigqueryChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const server = await bigqueryServer();
  assert.ok(!("skip" in server), "asked for a target without an emulator");
  const { layer } = server;
  const dataset = await server.dataset();
  const proxy = await openFaultProxy(server.url);
  const openAt = (url: string, now: () => Date, maxAttempts: number): Destination =>
    openBigQuery(
      { ...bigqueryOptions({ url }, dataset), maxAttempts },
      { export: definition.name },
      { now, version: "test", onWarning: () => undefined },
    );
  return {
    open(now, { crash }) {
      layer.clock = now;
      if (!crash) return openAt(server.url, now, 2);
      return crashingBigQuery(proxy, crash, (url) => openAt(url, now, 1));
    },
    async rows() {
      // A job of the dead may still run; the emulator would show it half done.
      await layer.idle();
      if (!(await server.tables(dataset)).includes(TABLE)) return [];
      const table = `\`${PROJECT}.${dataset}.${TABLE}\``;
      const rows = await server.select(CURRENT_ROWS.replace("TABLE_", table));
      return rows.map(([text]) => JSON.parse(String(text)) as Row);
    },
    shown: tombstone,
    async [Symbol.asyncDispose]() {
      await layer.idle();
      layer.clock = undefined;
      await proxy[Symbol.asyncDispose]();
    },
  };
}
