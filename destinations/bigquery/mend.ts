/** Keys that a table has twice: how many there are, and the statements that leave one row of each. Pure. */
import { bigquery } from "../sql/bigquery.ts";
import { countAllDoubled, type KeyedTable, keptOfDoubled } from "../warehouse/held_rows.ts";
import type { Rows } from "../warehouse/rows.ts";
import { anyPartition } from "./merge.ts";

const { identifier } = bigquery;

export interface UserTable {
  /** In full. */
  readonly table: string;
  readonly rows: Rows;
  readonly partition: string | undefined;
}

function keyed({ table, rows, partition }: UserTable): KeyedTable {
  return { table: identifier(table), rows, column: identifier, always: anyPartition(partition) };
}

export function countDoubledKeys(of: UserTable): string {
  return countAllDoubled(keyed(of));
}

/** DML in a transaction: it keeps the table's partitions, descriptions and grants, which CREATE OR REPLACE would not. */
export function mendDoubled(of: UserTable): string {
  const table = identifier(of.table);
  const same = of.rows.key.map((name) => `kept.${identifier(name)} = t.${identifier(name)}`).join(" AND ");
  const always = anyPartition(of.partition);
  const where = always === undefined ? "" : `${always} AND `;
  return [
    `CREATE TEMP TABLE kept AS ${keptOfDoubled(keyed(of))}`,
    "BEGIN TRANSACTION",
    `DELETE FROM ${table} AS t WHERE ${where}EXISTS (SELECT 1 FROM kept WHERE ${same})`,
    `INSERT INTO ${table} SELECT * FROM kept`,
    "COMMIT TRANSACTION;",
  ].join("; ");
}
