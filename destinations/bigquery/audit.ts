/** What an audit asks of a table in BigQuery. */
import type { DestinationAudit } from "../destination.ts";
import { bigquery } from "../sql/bigquery.ts";
import { auditGroup, auditGroups, type AuditedTable, auditVersions, versionsOf } from "../warehouse/audit_sql.ts";
import { type BigQueryContext, qualifiedName } from "./context.ts";
import { query } from "./jobs.ts";
import { goneTable } from "./tables.ts";

const { identifier } = bigquery;

export function bigqueryAudit(context: BigQueryContext): DestinationAudit {
  const { client, place, options } = context;
  const audited = bigqueryTable(qualifiedName(context, place.table));
  const ask = async (table: string, sql: string, signal: AbortSignal) =>
    await query(context, { action: "bigquery.tables.getData", table }, sql, {}, signal);
  return {
    dropsDeleted: options.onDelete === "delete",
    async groups(scope, signal) {
      if (!(await client.table(place.table, signal))) return [];
      const rows = await ask(place.table, auditGroups(audited, scope), signal);
      return rows.map((row) => auditGroup(row, (name) => name));
    },
    async versions(scope, keys, signal) {
      if (!(await client.table(place.table, signal))) return new Map();
      const gone = (await client.table(goneTable(context), signal))
        ? bigqueryTable(qualifiedName(context, goneTable(context)))
        : undefined;
      return await versionsOf(
        keys,
        (some) => [auditVersions(audited, some, scope), ...(gone ? [auditVersions(gone, some)] : [])],
        async (sql) => await ask(place.table, sql, signal),
        (name) => name,
      );
    },
  };
}

export function bigqueryTable(table: string): AuditedTable {
  return {
    dialect: bigquery,
    table: identifier(table),
    column: identifier,
    name: identifier,
    hash: (text) => `CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(${text})), 1, 8)) AS INT64)`,
    day: (time) => `DIV(UNIX_MICROS(${time}), 86400000000)`,
  };
}
