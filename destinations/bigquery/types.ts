/** Columns as BigQuery has them: in DDL, in the schema of a table, and in the schema of a load job. Pure. */
import type { Column, ColumnType } from "../../src/models/column.ts";
import { bigquery } from "../sql/bigquery.ts";
import { isList } from "../sql/dialect.ts";
import type { FileFormat } from "../destination.ts";
import type { ExistingColumn } from "../warehouse/table_plan.ts";

/** The slice of BigQuery's TableFieldSchema that is read and written here. */
export interface SchemaField {
  readonly name?: string;
  readonly type?: string;
  readonly mode?: string;
  readonly defaultValueExpression?: string;
}

/** The API answers with the names of legacy SQL. */
const MODERN: Readonly<Record<string, string>> = {
  INTEGER: "INT64",
  FLOAT: "FLOAT64",
  BOOLEAN: "BOOL",
  RECORD: "STRUCT",
};

/** Further types that take a value of ours without a cast: BigQuery coerces INT64 by itself. */
const WIDER: Partial<Record<ColumnType, readonly string[]>> = { int64: ["NUMERIC", "BIGNUMERIC", "FLOAT64"] };

/** The column's type in the target table, as DDL writes it. */
export function targetType(column: Column, json: ReadonlySet<string>): string {
  return json.has(column.name) ? "JSON" : bigquery.types[column.type];
}

export function fits(existing: string, column: Column, json: ReadonlySet<string>): boolean {
  if (existing === targetType(column, json)) return true;
  return !json.has(column.name) && (WIDER[column.type]?.includes(existing) ?? false);
}

export function existingColumn({ name = "", type = "", mode }: SchemaField): ExistingColumn {
  const modern = MODERN[type] ?? type;
  return { name, type: mode === "REPEATED" ? `ARRAY<${modern}>` : modern };
}

/**
 * The column in a staging table and in the schema of a load job. All are nullable: whether a key is missing is counted
 * after the load, which says more than a job that fails. Lists come as text in CSV, which has no form for them.
 */
export function stagingField(
  column: Column,
  format: FileFormat,
): Required<Pick<SchemaField, "name" | "type" | "mode">> {
  if (!isList(column.type)) return { name: column.name, type: bigquery.types[column.type], mode: "NULLABLE" };
  if (format === "csv") return { name: column.name, type: "STRING", mode: "NULLABLE" };
  return { name: column.name, type: column.type === "string[]" ? "STRING" : "TIMESTAMP", mode: "REPEATED" };
}
