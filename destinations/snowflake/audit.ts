/** What an audit asks of a table in Snowflake. */
import type { DestinationAudit } from "../destination.ts";
import { columnName, snowflake } from "../sql/snowflake.ts";
import { auditGroup, auditGroups, type AuditedTable, auditVersions, versionsOf } from "../warehouse/audit_sql.ts";
import type { SnowflakeContext } from "./context.ts";
import { reaching } from "./ddl.ts";
import { objectPath, schemaPath } from "./names.ts";
import type { Session, Statement } from "./statement.ts";
import { existingColumns } from "./tables.ts";

export function snowflakeAudit(context: SnowflakeContext): DestinationAudit {
  const { names, export: exportName, onDelete } = context;
  const table = objectPath(names, names.table);
  const inSession = async <Result>(
    signal: AbortSignal,
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> => {
    await using session = await context.openSession({ export: exportName, doing: "audit" }, signal);
    return await work(session);
  };
  const statement = (sql: string, of: string): Statement => ({
    sql,
    doing: "auditing",
    grants: [...reaching(names, schemaPath(names)), `SELECT ON TABLE ${of}`],
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
