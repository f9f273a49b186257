/**
 * Which rows of the target have the keys of a staged batch, in the SQL of a warehouse. Pure.
 *
 * A MERGE should read a part of the target only. No rule says where a session's row is: its start falls as older rows arrive,
 * and rises when the source has dropped the first ones (a purge, retention). So the range comes from the rows themselves, by a
 * scan of the key columns and the one column that the table is cut by.
 *
 * The same scan finds keys that have two rows. A load neither makes them nor works on them: a MERGE would update both, and
 * readers would count a session twice.
 */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { newestFirst } from "../sql/reading_order.ts";
import type { Rows } from "./rows.ts";

export interface HeldRows {
  /** Both as SQL names them. */
  readonly target: string;
  readonly staging: string;
  readonly key: readonly string[];
  /** A column of each as SQL names it, without an alias. */
  readonly targetColumn: (name: string) => string;
  readonly stagedColumn: (name: string) => string;
  /** The condition that a target's row `t` and a staged row `s` have one key. */
  readonly sameKey: string;
  /** A condition on the target's rows that all of them meet: for tables that must not be read without one. */
  readonly always?: string | undefined;
}

/** One row for each staged key that the target has: `copies`, and the range of a column of times. */
function heldKeys(
  { target, staging, key, targetColumn, stagedColumn, sameKey, always }: HeldRows,
  by?: string,
): string {
  const of = by === undefined ? undefined : `t.${targetColumn(by)}`;
  const range =
    of === undefined
      ? ""
      : `, MIN(${of}) AS first_time, MAX(${of}) AS last_time, SUM(CASE WHEN ${of} IS NULL THEN 1 ELSE 0 END) AS timeless`;
  return `SELECT COUNT(*) AS copies${range}
  FROM ${target} AS t
  JOIN (SELECT DISTINCT ${key.map(stagedColumn).join(", ")} FROM ${staging}) AS s ON ${sameKey}${
    always === undefined ? "" : `\n  WHERE ${always}`
  }
  GROUP BY ${key.map((name) => `t.${targetColumn(name)}`).join(", ")}`;
}

/**
 * One row: how many staged keys have two rows or more (`doubled`), and the range of the column `by` over all of them.
 * @param micros of an expression that gives a time: microseconds since 1970
 * @param name how the result names a column
 */
export function heldRange(
  held: HeldRows,
  by: string | undefined,
  micros: (time: string) => string,
  name: (column: string) => string,
): string {
  const range = [
    `${micros("MIN(held.first_time)")} AS ${name("first_time")}`,
    `${micros("MAX(held.last_time)")} AS ${name("last_time")}`,
    `COALESCE(SUM(held.timeless), 0) AS ${name("timeless")}`,
  ];
  const items = [
    `COALESCE(SUM(CASE WHEN held.copies > 1 THEN 1 ELSE 0 END), 0) AS ${name("doubled")}`,
    ...(by === undefined ? [] : range),
  ];
  return `SELECT ${items.join(",\n  ")}\nFROM (\n  ${heldKeys(held, by)}\n) AS held`;
}

/** How many staged keys have more than one row. */
export function countDoubled(held: HeldRows): string {
  return `SELECT COUNT(*) AS doubled FROM (\n  ${heldKeys(held)}\n  HAVING COUNT(*) > 1\n) AS held`;
}

/** The range of a column in which the MERGE finds every row of its keys. */
export interface TimeRange {
  /** Microseconds since 1970. */
  readonly from: bigint;
  readonly to: bigint;
  /** Rows in which the column is NULL are among them. */
  readonly orNone: boolean;
}

/**
 * One microsecond is added, since a table may keep finer times. If the table has none of the keys, any range will do.
 * @param micros a column of the one row that `heldRange` selects; undefined for NULL
 */
export function timeRange(micros: (column: "first_time" | "last_time" | "timeless") => bigint | undefined): TimeRange {
  return {
    from: micros("first_time") ?? 0n,
    to: (micros("last_time") ?? 0n) + 1n,
    orNone: (micros("timeless") ?? 0n) > 0n,
  };
}

/** For the ON of a MERGE. The bounds are literals, since only constants are certain to prune. */
export function within(range: TimeRange, column: string, timestamp: (time: bigint) => string): string {
  const bounds = `${column} >= ${timestamp(range.from)} AND ${column} <= ${timestamp(range.to)}`;
  return range.orNone ? `(${column} IS NULL OR (${bounds}))` : bounds;
}

/** A table that may hold rows twice, as its warehouse names it and its columns. */
export interface KeyedTable {
  readonly table: string;
  readonly rows: Rows;
  readonly column: (name: string) => string;
  readonly always?: string | undefined;
}

/** How many keys of the whole table have more than one row. */
export function countAllDoubled({ table, rows, column, always }: KeyedTable): string {
  const key = rows.key.map(column).join(", ");
  const where = always === undefined ? "" : ` WHERE ${always}`;
  return `SELECT COUNT(*) AS doubled FROM (SELECT ${key} FROM ${table} AS t${where} GROUP BY ${key} HAVING COUNT(*) > 1) AS held`;
}

/** The rows that stay where a key has several: of each, the one that wins by the order of reads. */
export function keptOfDoubled({ table, rows, column, always }: KeyedTable): string {
  const key = rows.key.map(column).join(", ");
  const order = newestFirst(rows, column);
  return (
    `SELECT * FROM ${table} AS t WHERE ${always ?? "TRUE"} QUALIFY COUNT(*) OVER (PARTITION BY ${key}) > 1 ` +
    `AND ROW_NUMBER() OVER (PARTITION BY ${key} ORDER BY ${order}) = 1`
  );
}

/** @param mend the statements that leave one row of each key */
export function duplicates(table: string, count: number | undefined, mend: string): ReplayportError {
  const some = count === undefined ? "some sessions" : `${count} ${count === 1 ? "session" : "sessions"}`;
  return new ReplayportError(
    `${table} has more than one row for ${some}; nothing was changed`,
    giveUp("warehouse.duplicates", `Keep the row of each that was read last: ${mend}`),
  );
}
