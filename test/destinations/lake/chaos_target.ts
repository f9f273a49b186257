/** A lake on disk, read by DuckDB with the statement that `replayport sql` prints. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { currentRowsSql, openLakeOn } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { type ExportDefinition, fileExtension } from "../../../src/export/definition.ts";
import { exportedColumns } from "../../../src/models/session_replays_query.ts";
import { filesBelow } from "./lake_rows.ts";
import { HookedStore } from "./hooked_store.ts";
import type { ChaosTarget } from "../../chaos/target.ts";
import type { Row } from "../../chaos/source_rows.ts";

export async function lakeChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-lake-"));
  return {
    open(now, crash) {
      const store = new DiskStore(folder);
      return openLakeOn(
        crash ? new HookedStore(store, { around: crash.step }) : store,
        undefined,
        { export: definition.name, path: definition.path },
        { now, version: "test", onWarning: () => undefined },
      );
    },
    rows: () => lakeRows(folder, definition),
    shown: (row) => row,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The current row of each session, by key, of a lake in a folder. */
export async function lakeRows(folder: string, definition: ExportDefinition): Promise<Row[]> {
  const extension = fileExtension(definition.format, definition.compression);
  const files = await filesBelow(folder);
  if (!files.some((file) => file.endsWith(extension))) return [];
  const current = currentRowsSql({
    reader: "duckdb",
    options: { type: "file", path: folder },
    export: definition.name,
    pathTemplate: definition.path,
    format: definition.format,
    extension,
    columns: exportedColumns(definition.selection),
    key: ["team_id", "session_id"],
  });
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(`
      SELECT to_json({
        key: team_id || '/' || session_id, start_us: epoch_us(start_time), end_us: epoch_us(end_time),
        ingested: epoch(_ingested_at)::BIGINT, clicks: click_count, messages: message_count, first_url: first_url,
        urls: all_urls, tags: ai_tags_fixed, deleted: is_deleted, retention: retention_period_days,
        score: surfacing_score, source: snapshot_source, expires: epoch(expires_at)::BIGINT
      }) AS row FROM (${current}) ORDER BY team_id, session_id`);
    return reader.getRowObjectsJS().map((row) => JSON.parse(row["row"] as string) as Row);
  } finally {
    connection.closeSync();
  }
}
