/** BigQuery's types for a column: in DDL, in a table's schema, and in a load job's schema. Pure. */
import type { Column, ColumnType } from "../../src/models/column.ts";
import { bigquery } from "../sql/bigquery.ts";
import { isList } from "../sql/dialect.ts";
import type { FileFormat } from "../destination.ts";
import type { ExistingColumn } from "../warehouse/table_plan.ts";

/** The part of BigQuery's TableFieldSchema that we use. */
export interface SchemaField {
  readonly name?: string;
  readonly type?: string;
  readonly mode?: string;
  readonly defaultValueExpression?: string;
}

/** The API uses legacy SQL's names. */
const MODERN: Readonly<Record<string, string>> = {
  INTEGER: "INT64",
  FLOAT: "FLOAT64",
  BOOLEAN: "BOOL",
  RECORD: "STRUCT",
};

/** Other types that accept our values without a cast: BigQuery coerces INT64 by itself. */
const WIDER: Partial<Record<ColumnType, readonly string[]>> = { int64: ["NUMERIC", "BIGNUMERIC", "FLOAT64"] };

/** The column's type in the target table, as DDL writes it. */
export function targetType(column: Column, json: ReadonlySet<string>): string {
  return json.has(column.name) ? "JSON" : bigquery.types[column.type];
}

export function fits(existing: string, column: Column, json: ReadonlySet<string>): boolean {
  if (existing === targetType(column, json)) return true;
  return !json.has(column.name) && (WIDER[column.type]?.includes(existing) ?? false);
}

export function existingColumn({ name = "", type = "", mode, defaultValueExpression }: SchemaField): ExistingColumn {
  const modern = MODERN[type] ?? type;
  return {
    name,
    type: mode === "REPEATED" ? `ARRAY<${modern}>` : modern,
    required: mode === "REQUIRED",
    hasDefault: defaultValueExpression !== undefined,
  };
}

/**
 * The column in a staging table and in a load job's schema. All are nullable: missing keys are counted after the load,
 * which gives a better error than a failed job. CSV has no lists, so they come as strings.
 */
export function stagingField(
  column: Column,
  format: FileFormat,
): Required<Pick<SchemaField, "name" | "type" | "mode">> {
  if (!isList(column.type)) return { name: column.name, type: bigquery.types[column.type], mode: "NULLABLE" };
  if (format === "csv") return { name: column.name, type: "STRING", mode: "NULLABLE" };
  return { name: column.name, type: column.type === "string[]" ? "STRING" : "TIMESTAMP", mode: "REPEATED" };
}
