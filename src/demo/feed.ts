/**
 * Sessions that keep arriving in a ClickHouse server, to watch a fleet at work. Each day's rows are made in advance in a
 * second table, with the time at which each becomes visible, and move to PostHog's table at that time: some of them hours
 * late, tags and deletions a day later, as in the demo.
 */
import { giveUp, ReplayportError } from "../errors.ts";
import { identifier, secondParameter } from "../models/sql.ts";
import type { EngineSql } from "./engine_sql.ts";
import { insertArrivals } from "./generate.ts";
import { createReplayTables, createWaitingTable, insertVisible, visible } from "./replay_table.ts";

export interface FeedPlan {
  readonly database: string;
  readonly table: string;
  readonly sessionsPerDay: number;
  /** How many days before today have sessions. */
  readonly historyDays: number;
}

export interface Feed {
  /** Inserts the rows that are visible by then. @returns how many */
  arrive(now: Date, signal: AbortSignal): Promise<number>;
}

const DAY_MS = 86_400_000;
/** The comment on the table: feed never writes to a table without it. */
const MARK = "made by replayport feed";

/** @throws ReplayportError `demo.foreign_table` if the table exists and feed didn't create it */
export async function openFeed(sql: EngineSql, plan: FeedPlan, signal: AbortSignal): Promise<Feed> {
  const { database, historyDays } = plan;
  const table = `${identifier(database)}.${identifier(plan.table)}`;
  const coming = `${plan.table}_coming`;
  const waiting = `${identifier(database)}.${identifier(coming)}`;
  const states = `${identifier(database)}.${identifier(`${plan.table}_feed`)}`;
  await makeTables(sql, plan, { waiting, states }, signal);

  const recall = async (what: "made" | "arrived"): Promise<Date | undefined> => {
    const [row] = await sql.rows<{ at: number }>(
      `SELECT toUnixTimestamp(max(at)) AS at FROM ${states} WHERE what = '${what}'`,
      signal,
    );
    return row === undefined || row.at === 0 ? undefined : new Date(row.at * 1000);
  };
  const remember = async (what: "made" | "arrived", at: Date): Promise<void> => {
    await sql.run(`INSERT INTO ${states} VALUES ('${what}', '${secondParameter(at)}')`, signal);
  };
  const midnight = (time: Date): number => Math.floor(time.getTime() / DAY_MS) * DAY_MS;

  return {
    async arrive(now) {
      const made = (await recall("made"))?.getTime() ?? midnight(now) - historyDays * DAY_MS;
      for (let day = made; day <= midnight(now); day += DAY_MS) {
        const [from, until] = [new Date(day), new Date(day + DAY_MS)];
        const sessions = { sessions: plan.sessionsPerDay, from, until, seed: day / DAY_MS };
        for (const statement of insertArrivals(sessions, database, coming)) await sql.run(statement, signal);
        await remember("made", until);
      }
      const seen = (await recall("arrived")) ?? new Date(0);
      const isNew = visible(seen, now);
      const [found] = await sql.rows<{ rows: number }>(`SELECT count() AS rows FROM ${waiting} WHERE ${isNew}`, signal);
      if (found === undefined || found.rows === 0) return 0;
      await sql.run(insertVisible(table, waiting, isNew), signal);
      await remember("arrived", now);
      return found.rows;
    },
  };
}

async function makeTables(
  sql: EngineSql,
  { database, table, historyDays }: FeedPlan,
  { waiting, states }: { readonly waiting: string; readonly states: string },
  signal: AbortSignal,
): Promise<void> {
  const [found] = await sql.rows<{ comment: string }>(
    `SELECT comment FROM system.tables WHERE database = ${text(database)} AND name = ${text(table)}`,
    signal,
  );
  if (found && found.comment !== MARK) {
    throw new ReplayportError(
      `${database}.${table} already exists, and feed didn't create it`,
      giveUp(
        "demo.foreign_table",
        "feed only writes to a table that it created. Name another database in source.clickhouse.",
      ),
    );
  }
  if (!found) {
    const [makeDatabase = "", makeTable = ""] = createReplayTables(database, table);
    await sql.run(makeDatabase, signal);
    await sql.run(`${makeTable}\nCOMMENT '${MARK}'`, signal);
  }
  await sql.run(createWaitingTable(waiting, `TTL visible_at + INTERVAL ${historyDays + 2} DAY`), signal);
  await sql.run(
    `CREATE TABLE IF NOT EXISTS ${states} (what LowCardinality(String), at DateTime('UTC')) ENGINE = MergeTree ORDER BY at`,
    signal,
  );
}

const text = (value: string): string => `'${value.replaceAll(/[\\']/g, "\\$&")}'`;
