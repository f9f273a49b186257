/**
 * The demo's source: rows that become visible in PostHog's table as a clock advances. Until then they are in a second table,
 * with the time at which each becomes visible.
 */
import { identifier } from "../models/sql.ts";
import type { EngineSql } from "./engine_sql.ts";
import { type SessionPlan, insertArrivals } from "./generate.ts";
import { REPLAY_TABLE, createReplayTables, createWaitingTable, insertVisible, visible } from "./replay_table.ts";

const WAITING = "replayport_demo_arrivals";

export interface ArrivalCounts {
  readonly sessions: number;
  readonly rows: number;
  readonly acrossMidnight: number;
  readonly mobile: number;
  /** Rows that become visible more than an hour after their `_timestamp`. */
  readonly late: number;
  readonly tagged: number;
  readonly deleted: number;
}

export class Arrivals {
  readonly #sql: EngineSql;
  readonly #database: string;
  readonly #table: string;
  readonly #waiting: string;
  #seen = new Date(0);

  constructor(sql: EngineSql, database: string) {
    this.#sql = sql;
    this.#database = database;
    this.#table = `${identifier(database)}.${REPLAY_TABLE}`;
    this.#waiting = `${identifier(database)}.${WAITING}`;
  }

  /** Creates the tables, and every row that will ever arrive. Drops what an earlier demo made. */
  async create(plan: SessionPlan, signal: AbortSignal): Promise<ArrivalCounts> {
    const statements = [
      `DROP DATABASE IF EXISTS ${identifier(this.#database)} SYNC`,
      ...createReplayTables(this.#database),
      createWaitingTable(this.#waiting),
      ...insertArrivals(plan, this.#database, WAITING),
    ];
    for (const statement of statements) await this.#sql.run(statement, signal);
    const [facts] = await this.#sql.rows<ArrivalCounts>(
      `SELECT count() AS sessions, sum(n) AS rows, countIf(days > 1) AS acrossMidnight, countIf(origin = 'mobile') AS mobile,
         sum(lag) AS late, countIf(tags) AS tagged, countIf(gone) AS deleted
       FROM (SELECT count() AS n, uniqExactIf(toDate(min_first_timestamp), message_count > 0) AS days, argMinMerge(snapshot_source) AS origin,
         countIf(visible_at > _timestamp + 3600) AS lag, max(notEmpty(ai_tags_fixed)) AS tags, max(is_deleted) AS gone
         FROM ${this.#waiting} GROUP BY team_id, session_id)`,
      signal,
    );
    if (!facts) throw new Error("a query without GROUP BY gave no row");
    return facts;
  }

  /** Inserts every row that is visible by then. */
  async arrive(until: Date, signal: AbortSignal): Promise<void> {
    await this.#sql.run(insertVisible(this.#table, this.#waiting, visible(this.#seen, until)), signal);
    this.#seen = until;
  }

  /** Merges all parts into one per month, then stops merges: later rows stay in the parts they arrive in. */
  async mergeAndStop(signal: AbortSignal): Promise<void> {
    await this.#sql.run(`OPTIMIZE TABLE ${this.#table} FINAL`, signal);
    await this.#sql.run(`SYSTEM STOP MERGES ${this.#table}`, signal);
  }

  async parts(signal: AbortSignal): Promise<{ readonly parts: number; readonly merged: number }> {
    const [parts] = await this.#sql.rows<{ parts: number; merged: number }>(
      `SELECT count() AS parts, countIf(level > 0) AS merged FROM system.parts
       WHERE active AND database = '${this.#database}' AND table = '${REPLAY_TABLE}'`,
      signal,
    );
    return parts ?? { parts: 0, merged: 0 };
  }

  /** Drops the second table: every row has arrived. */
  async end(signal: AbortSignal): Promise<void> {
    await this.#sql.run(`DROP TABLE ${this.#waiting} SYNC`, signal);
  }
}
