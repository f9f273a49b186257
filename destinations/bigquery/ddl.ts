/** Statements that create tables and add columns. Pure. */
import type { Column } from "../../src/models/column.ts";
import { bigquery } from "../sql/bigquery.ts";
import { targetType } from "./types.ts";

const { identifier, string, timestamp } = bigquery;

export interface TableShape {
  readonly table: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly json: ReadonlySet<string>;
  readonly partition?: { readonly column: string; readonly granularity: string };
  readonly cluster: readonly string[];
  readonly description: string;
  /** For the tables of a check, in case it is killed. */
  readonly expires?: Date;
}

function definition(column: Column, json: ReadonlySet<string>, required: boolean): string {
  const described = column.description === "" ? "" : ` OPTIONS (description = ${string(column.description)})`;
  return `${identifier(column.name)} ${targetType(column, json)}${required ? " NOT NULL" : ""}${described}`;
}

/** Only the key is NOT NULL: a tombstone empties other columns, and BigQuery can't add NOT NULL to a column later. */
export function createTable(shape: TableShape): string {
  const columns = shape.columns.map((column) => definition(column, shape.json, shape.key.includes(column.name)));
  const { partition } = shape;
  const options = [
    `description = ${string(shape.description)}`,
    ...(shape.expires ? [`expiration_timestamp = ${timestamp(shape.expires)}`] : []),
    // Otherwise the dataset's default applies, and sessions vanish while their receipts stay.
    ...(partition ? ["partition_expiration_days = NULL"] : []),
  ];
  return [
    `CREATE TABLE IF NOT EXISTS ${identifier(shape.table)} (\n  ${columns.join(",\n  ")}\n)`,
    ...(partition
      ? [`PARTITION BY TIMESTAMP_TRUNC(${identifier(partition.column)}, ${partition.granularity.toUpperCase()})`]
      : []),
    ...(shape.cluster.length > 0 ? [`CLUSTER BY ${shape.cluster.map(identifier).join(", ")}`] : []),
    `OPTIONS (${options.join(", ")})`,
  ].join("\n");
}

export function addColumns(table: string, columns: readonly Column[], json: ReadonlySet<string>): string {
  const added = columns.map((column) => `ADD COLUMN IF NOT EXISTS ${definition(column, json, false)}`);
  return `ALTER TABLE ${identifier(table)}\n  ${added.join(",\n  ")}`;
}
