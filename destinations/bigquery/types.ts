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
  /** Digits in all, and after the point, as text. Undefined without a limit of the table's own. */
  readonly precision?: string;
  readonly scale?: string;
  /** `und:ci` compares without case. */
  readonly collation?: string;
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

/** Digits of the largest INT64. */
const INT64_DIGITS = 19;
const COLLATED = / COLLATE '.*'$/;

/** The column's type in the target table, as DDL writes it. */
export function targetType(column: Column, json: ReadonlySet<string>): string {
  return json.has(column.name) ? "JSON" : bigquery.types[column.type];
}

/** @param isKey under a collation two ids may be equal, so the key must have none */
export function fits(type: string, column: Column, json: ReadonlySet<string>, isKey: boolean): boolean {
  const existing = isKey ? type : type.replace(COLLATED, "");
  if (existing === targetType(column, json)) return true;
  return !json.has(column.name) && (WIDER[column.type]?.includes(existing) ?? false);
}

export function existingColumn(field: SchemaField): ExistingColumn {
  const { name = "", mode, collation = "", defaultValueExpression } = field;
  const type = mode === "REPEATED" ? `ARRAY<${typeOf(field)}>` : typeOf(field);
  return {
    name,
    type: collation === "" ? type : `${type} COLLATE '${collation}'`,
    required: mode === "REQUIRED",
    hasDefault: defaultValueExpression !== undefined,
  };
}

/** A number's limits are part of its type only where they leave no room for each INT64. */
function typeOf({ type = "", precision, scale = "0" }: SchemaField): string {
  const modern = MODERN[type] ?? type;
  if (precision === undefined || Number(precision) - Number(scale) >= INT64_DIGITS) return modern;
  return `${modern}(${precision}${scale === "0" ? "" : `, ${scale}`})`;
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
