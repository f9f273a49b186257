/** Reads a lake as a BI tool would: DuckDB, with the statement that Replayport gives to its users. */
import { DuckDBInstance } from "@duckdb/node-api";
import { currentRowsSql, DEFAULT_PATH, type Follow } from "../../../destinations/lake/index.ts";
import { COLUMNS, EXPORT } from "../../conformance/batches.ts";
import type { SeenRow } from "../../conformance/harness.ts";
import { filesBelow } from "../../support/temporary_folder.ts";

export async function lakeRows(folder: string, follow: Follow): Promise<SeenRow[]> {
  const keys = await filesBelow(folder);
  // DuckDB takes a glob without a match for an error.
  if (!keys.some((key) => key.endsWith(".parquet"))) return [];
  if (follow === "manifests" && !keys.some((key) => key.endsWith(".json"))) return [];
  const sql = currentRowsSql({
    reader: "duckdb",
    options: { type: "file", path: folder },
    export: EXPORT,
    folders: [{ path: DEFAULT_PATH, extension: ".parquet", columns: [] }],
    columns: COLUMNS,
    key: ["team_id", "session_id"],
    follow,
  });
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(
      `SELECT session_id AS session, value, _version AS version FROM (${sql}) ORDER BY session_id`,
    );
    return reader.getRowObjectsJS().map((row) => ({
      session: row["session"] as string,
      version: Number(row["version"]),
      value: Number(row["value"]),
    }));
  } finally {
    connection.closeSync();
  }
}
