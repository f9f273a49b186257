/** The lake's current rows under a name, in the engine that asks of them. */
import type { EngineSql } from "./engine_sql.ts";

export const LAKE_VIEW = "lake.replays";

/** @param select the SELECT that `replayport sql` prints for ClickHouse */
export async function createLakeView(sql: EngineSql, select: string, signal: AbortSignal): Promise<void> {
  await sql.run("CREATE DATABASE IF NOT EXISTS lake", signal);
  await sql.run(`CREATE OR REPLACE VIEW ${LAKE_VIEW} AS\n${select}`, signal);
}
