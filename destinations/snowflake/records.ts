/** Records of an export in Snowflake: a table of each kind beside the receipts. */
import type { DestinationRecords, RecordKind } from "../destination.ts";
import { snowflake } from "../sql/snowflake.ts";
import { RECORD_COLUMNS, RECORDS_DESCRIPTIONS, RECORDS_TABLES } from "../warehouse/rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { createTable, reaching } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { objectPath, schemaPath } from "./names.ts";
import type { Row, Statement } from "./statement.ts";

export function snowflakeRecords(context: SnowflakeContext): DestinationRecords {
  const { names, export: exportName } = context;
  const open = async (signal: AbortSignal) =>
    await context.openSession({ export: exportName, doing: "ledger" }, signal);
  const nameOf = (kind: RecordKind): string => RECORDS_TABLES[kind].toUpperCase();
  const statement = (kind: RecordKind, sql: string, privilege: string): Statement => ({
    sql,
    doing: `${privilege === "INSERT" ? "writing" : "reading"} the ${kind}`,
    grants: [...reaching(names, schemaPath(names)), `${privilege} ON TABLE ${objectPath(names, nameOf(kind))}`],
  });
  const find = async (kind: RecordKind, order: string, signal: AbortSignal): Promise<string[]> => {
    await using session = await open(signal);
    const sql = `SELECT "RESULT" FROM ${objectPath(names, nameOf(kind))}
WHERE "EXPORT" = ${snowflake.string(exportName)} AND "TARGET_TABLE" = ${snowflake.string(names.table)}
ORDER BY "READ_AT" ${order}`;
    let rows: readonly Row[];
    try {
      rows = await session.execute(statement(kind, sql, "SELECT"), signal);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    return rows.map((row) => String(row["RESULT"]));
  };
  return {
    async add(kind, text, at, signal) {
      await using session = await open(signal);
      const required = RECORD_COLUMNS.map(({ name }) => name);
      await session.execute(
        createTable(names, nameOf(kind), RECORD_COLUMNS, required, RECORDS_DESCRIPTIONS[kind]),
        signal,
      );
      const values = [exportName, names.table].map(snowflake.string).join(", ");
      const sql = `INSERT INTO ${objectPath(names, nameOf(kind))} ("EXPORT", "TARGET_TABLE", "READ_AT", "RESULT")
SELECT ${values}, ${snowflake.timestamp(at)}, ${snowflake.string(text)}`;
      await session.execute(statement(kind, sql, "INSERT"), signal);
    },
    last: async (kind, signal) => (await find(kind, "DESC LIMIT 1", signal))[0],
    all: async (kind, signal) => await find(kind, "ASC", signal),
  };
}
