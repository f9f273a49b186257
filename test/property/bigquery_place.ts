/** A table of BigQuery's emulator, asked by a statement of the tests' own. */
import assert from "node:assert/strict";
import { openBigQuery } from "../../destinations/bigquery/index.ts";
import type { Destination } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { bigqueryOptions, TABLE } from "../conformance/bigquery_harness.ts";
import { diesAt } from "../destinations/bigquery_world.ts";
import { bigqueryServer, PROJECT } from "../harness/bigquery.ts";
import { openFaultProxy } from "../harness/fault_proxy.ts";
import type { Place } from "./place.ts";
import type { Row } from "./source_rows.ts";

const COLUMNS = [
  "CONCAT(CAST(team_id AS STRING), '/', session_id)",
  "UNIX_MICROS(start_time)",
  "UNIX_MICROS(end_time)",
  "UNIX_SECONDS(_ingested_at)",
  "click_count",
  "message_count",
  "first_url",
  "all_urls",
  "ai_tags_fixed",
  "is_deleted",
  "retention_period_days",
  "surfacing_score",
  "snapshot_source",
  "UNIX_SECONDS(expires_at)",
].join(", ");

export async function bigqueryPlace(definition: ExportDefinition): Promise<Place> {
  const server = await bigqueryServer();
  assert.ok(!("skip" in server), "asked for a place without an emulator");
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
    open(now, dies) {
      layer.clock = now;
      if (dies === undefined) return openAt(server.url, now, 2);
      const death = new AbortController();
      // The dead neither wait nor clean up: their signal is aborted, and none of their requests comes through.
      const onDeath = (): void => void setImmediate(() => death.abort(new Error("killed")));
      proxy.decide(diesAt(dies, { kind: dies % 2 === 0 ? "cut-request" : "cut-answer" }, onDeath));
      const mortal = openAt(proxy.url, now, 1);
      const load = mortal.load.bind(mortal);
      mortal.load = (batch, signal) => load(batch, AbortSignal.any([signal, death.signal]));
      return mortal;
    },
    async rows() {
      // A job of the dead may still run; the emulator would show it half done.
      await layer.idle();
      if (!(await server.tables(dataset)).includes(TABLE)) return [];
      const table = `\`${PROJECT}.${dataset}.${TABLE}\``;
      return (await server.select(`SELECT ${COLUMNS} FROM ${table} ORDER BY team_id, session_id`)).map(rowOf);
    },
    /** A tombstone: what tells something of the person is gone. */
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: [] } : row),
    async [Symbol.asyncDispose]() {
      await layer.idle();
      layer.clock = undefined;
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** The API gives every value as text. */
function rowOf(values: readonly (string | null | unknown[])[]): Row {
  const [key, start, end, ingested, clicks, messages, url, urls, tags, deleted, retention, score, source, expires] =
    values;
  const number = (value: unknown): number | null => (value === null ? null : Number(value));
  return {
    key: String(key),
    start_us: number(start),
    end_us: number(end),
    ingested: number(ingested),
    clicks: number(clicks),
    messages: number(messages),
    first_url: url,
    urls,
    tags,
    deleted: deleted === "true",
    retention: number(retention),
    score: number(score),
    source,
    expires: number(expires),
  };
}
