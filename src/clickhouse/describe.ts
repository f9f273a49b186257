/** Reads the columns of a cluster's replay table, or of a user's own SELECT. */
import { ReplayportError, giveUp } from "../errors.ts";
import type { ModelChoice } from "../export/definition.ts";
import type { Query, Selection } from "../models/model.ts";
import { REQUIRED_SOURCES } from "../models/session_replays_reads.ts";
import type { ReplayTable } from "../models/session_replays_reads.ts";
import { type DescribedColumn, describeQuery } from "../models/sql_model.ts";

type Ask = <T>(query: Query) => Promise<T[]>;

export async function describeTable(ask: Ask, database: string, table: string): Promise<ReplayTable> {
  const parameters = { database, table };
  const rows = await ask<{ name: string; type: string }>({
    sql: "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
    parameters,
  });
  const columns = new Map(rows.map(({ name, type }) => [name, type]));
  if (columns.size === 0) {
    throw new ReplayportError(
      `table ${database}.${table} doesn't exist, or this user can't see it`,
      giveUp(
        "source.no_table",
        `Check source.clickhouse.database and table. If both are right: GRANT SELECT ON ${database}.${table} TO the user.`,
      ),
    );
  }
  const missing = REQUIRED_SOURCES.filter((name) => !columns.has(name));
  if (missing.length > 0) {
    throw new ReplayportError(
      `${database}.${table} lacks the columns ${missing.join(", ")}`,
      giveUp("source.wrong_table", "Point source.clickhouse.table at PostHog's session_replay_events."),
    );
  }
  const engines = await ask<{ engine: string }>({
    sql: "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}",
    parameters,
  });
  return { database, table, columns, distributed: engines.some(({ engine }) => engine === "Distributed") };
}

export async function describeSelect(
  ask: Ask,
  model: ModelChoice & { kind: "sql" },
  selection: Selection,
): Promise<DescribedColumn[]> {
  return await ask<DescribedColumn>(describeQuery(model, selection));
}
