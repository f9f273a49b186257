/**
 * How each engine writes names, literals and types. Warehouses load with it, and the SQL that reads a lake is printed with it,
 * so a name or a text is escaped by one function per engine. test/destinations/sql runs them with hostile values.
 */
import type { ColumnType } from "../../src/models/column.ts";

export type ListType = Extract<ColumnType, `${string}[]`>;

export interface Dialect {
  /** A quoted name: keeps its case, and may hold anything that the engine allows in a name. */
  readonly identifier: (name: string) => string;
  /** A string literal. */
  readonly string: (value: string) => string;
  readonly types: Readonly<Record<ColumnType, string>>;
  /** The list in `text`, an expression: CSV has no lists, so ClickHouse writes them as JSON. NULL gives NULL or no items. */
  readonly listFromJson: (type: ListType, text: string) => string;
}

/** A dialect that also writes times: those of the warehouses. */
export interface WarehouseDialect extends Dialect {
  readonly timestamp: (time: Date | bigint) => string;
}

export function literal({ string, timestamp }: WarehouseDialect, value: string | number | Date | null): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return String(value);
  return typeof value === "string" ? string(value) : timestamp(value);
}

export function isList(type: ColumnType): type is ListType {
  return type.endsWith("[]");
}

/** Microseconds since 1970. */
export function microsOf(time: Date | bigint): bigint {
  return typeof time === "bigint" ? time : BigInt(time.getTime()) * 1000n;
}

/** A name in double quotes, as standard SQL has it. */
export function doubleQuoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string in single quotes, as standard SQL has it: a backslash is a backslash. */
export function singleQuoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** For engines in which a backslash escapes, in strings and in names. They take a raw line break in between. */
export function backslashed(value: string, quote: "'" | "`"): string {
  return `${quote}${value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)}${quote}`;
}

/** For a comment, which ends with its line. A path in a manifest is not ours, so no text in a comment may begin a statement. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
