/** What an audit asks of a table in Snowflake. */
import type { DestinationAudit } from "../destination.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { auditGroup, auditGroups, type AuditedTable, auditVersions, versionsOf } from "../warehouse/audit_sql.ts";
import { AUDIT_RESULT_COLUMNS, AUDITS_TABLE } from "../warehouse/rows.ts";
import type { SnowflakeContext } from "./context.ts";
import { createTable, reaching } from "./ddl.ts";
import { isMissing } from "./errors.ts";
import { objectPath, schemaPath } from "./names.ts";
import type { Row, Session, Statement } from "./statement.ts";
import { existingColumns } from "./tables.ts";

const RESULTS = AUDITS_TABLE.toUpperCase();

export function snowflakeAudit(context: SnowflakeContext): DestinationAudit {
  const { names, export: exportName, onDelete } = context;
  const table = objectPath(names, names.table);
  const results = objectPath(names, RESULTS);
  const inSession = async <Result>(
    signal: AbortSignal,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> => {
    await using session = await context.openSession({ export: exportName, doing: "audit" }, signal);
    return await work(session);
  };
  const statement = (sql: string, of: string, privileges = "SELECT"): Statement => ({
    sql,
    doing: "auditing",
    grants: [...reaching(names, schemaPath(names)), `${privileges} ON TABLE ${of}`],
  });
  /** Undefined if there is no such table. */
  const audited = async (name: string, session: Session, signal: AbortSignal): Promise<AuditedTable | undefined> => {
    const existing = await existingColumns(session, names, name, signal);
    const spelled = new Map(existing?.map((one) => [one.name.toUpperCase(), one.name]));
    const column = (of: string) => snowflake.identifier(spelled.get(columnName(of)) ?? columnName(of));
    return existing && snowflakeTable(objectPath(names, name), column);
  };
  return {
    dropsDeleted: onDelete === "delete",
    groups: (scope, signal) =>
      inSession(signal, async (session) => {
        const of = await audited(names.table, session, signal);
        if (!of) return [];
        const rows = await session.execute(statement(auditGroups(of, scope), table), signal);
        return rows.map((row) => auditGroup(row, columnName));
      }),
    versions: (scope, keys, signal) =>
      inSession(signal, async (session) => {
        const of = await audited(names.table, session, signal);
        if (!of) return new Map();
        const gone = await audited(names.gone, session, signal);
        return await versionsOf(
          keys,
          (some) => [auditVersions(of, some, scope), ...(gone ? [auditVersions(gone, some)] : [])],
          async (sql) => await session.execute(statement(sql, table), signal),
          columnName,
        );
      }),
    save: (result, readAt, signal) =>
      inSession(signal, async (session) => {
        const required = AUDIT_RESULT_COLUMNS.map(({ name }) => name);
        const about = "Results of audits by Replayport: what differs from the source.";
        await session.execute(createTable(names, RESULTS, AUDIT_RESULT_COLUMNS, required, about), signal);
        const values = [exportName, names.table].map(snowflake.string).join(", ");
        const sql = `INSERT INTO ${results} ("EXPORT", "TARGET_TABLE", "READ_AT", "RESULT")
SELECT ${values}, ${snowflake.timestamp(readAt)}, ${snowflake.string(result)}`;
        await session.execute(statement(sql, results, "INSERT"), signal);
      }),
    last: (signal) =>
      inSession(signal, async (session) => {
        const sql = `SELECT "RESULT" FROM ${results}
WHERE "EXPORT" = ${snowflake.string(exportName)} AND "TARGET_TABLE" = ${snowflake.string(names.table)}
ORDER BY "READ_AT" DESC LIMIT 1`;
        let rows: readonly Row[];
        try {
          rows = await session.execute(statement(sql, results), signal);
        } catch (error) {
          if (isMissing(error)) return undefined;
          throw error;
        }
        return rows[0] && String(rows[0]["RESULT"]);
      }),
  };
}

export function snowflakeTable(table: string, column: AuditedTable["column"]): AuditedTable {
  return {
    dialect: snowflake,
    table,
    column,
    name: (name) => snowflake.identifier(columnName(name)),
    // Digit by digit: MD5_NUMBER_UPPER64 has 64 bits, more than a sum of many can hold exactly in JavaScript.
    hash: (text) =>
      Array.from(
        { length: 8 },
        (_, digit) => `CHARINDEX(SUBSTR(MD5(${text}), ${digit + 1}, 1), '123456789abcdef') * ${16 ** (7 - digit)}`,
      ).join(" + "),
    day: (time) => `FLOOR(DATE_PART(EPOCH_MICROSECOND, ${time}) / 86400000000)`,
  };
}
