/** The SQL with which a query engine reads the current row of each key from a lake. */
import { oneLine } from "../sql/dialect.ts";
import { athenaSql, trinoSql } from "./read_sql/hive.ts";
import { bigquerySql } from "./read_sql/bigquery.ts";
import { clickhouseSql } from "./read_sql/clickhouse.ts";
import { duckdbSql } from "./read_sql/duckdb.ts";
import { readableFolders } from "./read_sql/readable.ts";
import type { ReadRequest } from "./read_sql/request.ts";
import { snowflakeSql } from "./read_sql/snowflake.ts";
import { sparkSql } from "./read_sql/spark.ts";

export { unreadableParts } from "./read_sql/readable.ts";
export { READERS } from "./read_sql/request.ts";
export type { Follow, Reader, ReadRequest } from "./read_sql/request.ts";

/**
 * DuckDB and ClickHouse get one SELECT, the others the statements that make a table over the files and a view over that.
 * Each takes the row of the highest `_version`, then of the highest `_exported_at`, so it is right at any time, also
 * when a crash has left the files of two loads side by side. Upper case words in angle brackets are to be filled in.
 *
 * @throws ReplayportError `lake.reader` where the engine cannot read such files, or not from there.
 */
export function currentRowsSql(given: ReadRequest): string {
  const { folders, notes } = readableFolders(given);
  return `${notes.map((note) => `-- ${oneLine(note)}\n`).join("")}${statement({ ...given, folders })}`;
}

function statement(request: ReadRequest): string {
  switch (request.reader) {
    case "duckdb":
      return duckdbSql(request);
    case "clickhouse":
      return clickhouseSql(request);
    case "athena":
      return athenaSql(request);
    case "trino":
      return trinoSql(request);
    case "spark":
      return sparkSql(request);
    case "snowflake":
      return snowflakeSql(request);
    case "bigquery":
      return bigquerySql(request);
    default:
      return request.reader satisfies never;
  }
}
