/** Reads the columns of a cluster's replay table, or of a user's own SELECT. */
import { ReplayportError, giveUp } from "../errors.ts";
import type { ModelChoice } from "../export/definition.ts";
import type { Query, Selection } from "../models/model.ts";
import { REQUIRED_SOURCES } from "../models/session_replays_reads.ts";
import type { ReplayTable } from "../models/session_replays_reads.ts";
import { type DescribedColumn, describeQuery } from "../models/sql_model.ts";

type Ask = <T>(query: Query) => Promise<T[]>;

/** What the system tables say of the replay table: one row of TABLE_FACTS. */
export interface TableFacts {
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly engines: readonly string[];
}

/** Items of a SELECT, so that whoever asks for something else needs no query more. */
export const TABLE_FACTS = `(SELECT groupArray((name, type)) FROM system.columns WHERE database = {database:String} AND table = {table:String}) AS columns,
  (SELECT groupArray(engine) FROM system.tables WHERE database = {database:String} AND name = {table:String}) AS engines`;

export function describeTable(database: string, table: string, facts: TableFacts | undefined): ReplayTable {
  const columns = new Map(facts?.columns);
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
  return { database, table, columns, distributed: facts?.engines.includes("Distributed") === true };
}

export async function describeSelect(
  ask: Ask,
  model: ModelChoice & { kind: "sql" },
  selection: Selection,
): Promise<DescribedColumn[]> {
  return await ask<DescribedColumn>(describeQuery(model, selection));
}
