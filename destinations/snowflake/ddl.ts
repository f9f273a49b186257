/** Statements that create and describe tables. Pure. They run before a transaction begins: DDL commits an open one. */
import type { Column } from "../../src/models/column.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { objectPath, schemaPath, type Names } from "./names.ts";
import type { Statement } from "./statement.ts";
import { typeOf } from "./types.ts";

/** The columns of a target's lock table. */
export const LOCK_COLUMNS: readonly Column[] = [
  lock("export", "string", "The export whose load held the lock last."),
  lock("attempt", "string", "The attempt that did."),
  lock("commit_count", "int64", "How many loads have taken it."),
  lock("taken_at", "timestamp", "When it took it."),
];

function lock(name: string, type: Column["type"], description: string): Column {
  return { name, type, nullable: false, privacy: "none", description };
}

export function reaching({ database }: Names, schema: string): string[] {
  return [`USAGE ON DATABASE ${snowflake.identifier(database)}`, `USAGE ON SCHEMA ${schema}`];
}

export function describeTable(names: Names, table: string): Statement {
  return {
    sql: `DESCRIBE TABLE ${objectPath(names, table)}`,
    doing: `describing ${objectPath(names, table)}`,
    grants: [...reaching(names, schemaPath(names)), `SELECT ON TABLE ${objectPath(names, table)}`],
  };
}

/**
 * NOT NULL is only for columns that every load has: a tombstone empties personal columns, and other column rules may exclude
 * any other column of an existing table. Texts are compared as they are: a default of the account, database or schema could make
 * two sessions equal whose ids differ in case only.
 */
export function createTable(
  names: Names,
  table: string,
  columns: readonly Column[],
  required: readonly string[],
  about: string,
): Statement {
  const lines = columns.map((column) => `  ${definition(column, required.includes(column.name))}`);
  return {
    sql: `CREATE TABLE IF NOT EXISTS ${objectPath(names, table)} (\n${lines.join(",\n")}\n) DEFAULT_DDL_COLLATION = '' COMMENT = ${snowflake.string(about)}`,
    doing: `creating the table ${objectPath(names, table)}`,
    grants: [...reaching(names, schemaPath(names)), `CREATE TABLE ON SCHEMA ${schemaPath(names)}`],
  };
}

function definition(column: Column, required: boolean): string {
  return `${bare(column)}${required ? " NOT NULL" : ""} COMMENT ${comment(column)}`;
}

function bare(column: Column): string {
  return `${snowflake.identifier(columnName(column.name))} ${typeOf(column)}`;
}

function comment({ description, type }: Column): string {
  return snowflake.string(`${description}${type === "timestamp" ? " UTC." : ""}`);
}

/**
 * IF NOT EXISTS, because two loads may both find it missing. ADD COLUMN's grammar has no comment.
 * https://docs.snowflake.com/en/sql-reference/sql/alter-table
 */
export function addColumn(names: Names, column: Column, to = names.table): Statement[] {
  const table = objectPath(names, to);
  const name = columnName(column.name);
  const grants = [`OWNERSHIP ON TABLE ${table}`];
  return [
    {
      sql: `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${bare(column)}`,
      doing: `adding the column ${name} to ${table}`,
      grants,
    },
    {
      sql: `COMMENT ON COLUMN ${table}.${snowflake.identifier(name)} IS ${comment(column)}`,
      doing: `describing the column ${name} of ${table}`,
      grants,
    },
  ];
}

/**
 * Temporary: no other session sees it, it needs no grant beyond USAGE, and it ends with its session, so a worker that dies
 * leaves nothing. Types are the model's; lists in CSV come as JSON text.
 */
export function createStaging(
  names: Names,
  staging: string,
  columns: readonly Column[],
  format: "parquet" | "jsonl" | "csv",
): Statement {
  const lines = columns.map((column) => {
    const type = format === "csv" && column.type.endsWith("[]") ? "VARCHAR" : typeOf(column);
    return `  ${snowflake.identifier(columnName(column.name))} ${type}`;
  });
  return {
    sql: `CREATE OR REPLACE TEMPORARY TABLE ${staging} (\n${lines.join(",\n")}\n) DEFAULT_DDL_COLLATION = ''`,
    doing: `creating the staging table ${staging}`,
    grants: reaching(names, schemaPath(names)),
  };
}

export function dropTable(path: string): Statement {
  return { sql: `DROP TABLE IF EXISTS ${path}`, doing: `dropping ${path}`, grants: [`OWNERSHIP ON TABLE ${path}`] };
}
