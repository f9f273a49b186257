/**
 * The types of a column, in files and in warehouses. Each name means the same type everywhere:
 *
 * | type        | ClickHouse             | Parquet                          | JSON Lines, CSV               |
 * | string      | String                 | BYTE_ARRAY, UTF8                 | text                          |
 * | int64       | Int64                  | INT64                            | number                        |
 * | float64     | Float64                | DOUBLE                           | number                        |
 * | bool        | Bool                   | BOOLEAN                          | true, false                   |
 * | timestamp   | DateTime64(6), UTC     | TIMESTAMP(MICROS), no zone       | 2026-10-01T00:00:00.000000Z   |
 * | string[]    | Array(String)          | LIST of UTF8                     | JSON array; in CSV as text    |
 * | timestamp[] | Array(DateTime64(6))   | LIST of TIMESTAMP(MICROS)        | JSON array; in CSV as text    |
 */
export type ColumnType = "string" | "int64" | "float64" | "bool" | "timestamp" | "string[]" | "timestamp[]";

/**
 * What a value says about a person: `none` (counts, flags), `identifier` (points at a person or a session),
 * `content` (may hold what the person saw or typed, such as a URL).
 */
export type Privacy = "none" | "identifier" | "content";

/** A column as it leaves ClickHouse. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly privacy: Privacy;
  /** One sentence, shown in the docs and as the column's comment in a warehouse. */
  readonly description: string;
}
