/** What an audit asks of a table in BigQuery. */
import type { DestinationAudit } from "../destination.ts";
import { bigquery } from "../sql/bigquery.ts";
import { auditGroup, auditGroups, type AuditedTable, auditVersions, versionsOf } from "../warehouse/audit_sql.ts";
import { AUDIT_RESULT_COLUMNS, AUDITS_TABLE } from "../warehouse/rows.ts";
import { type BigQueryContext, qualifiedName } from "./context.ts";
import { createTable } from "./ddl.ts";
import { query } from "./jobs.ts";
import { goneTable } from "./tables.ts";

const { identifier, string, timestamp } = bigquery;

export function bigqueryAudit(context: BigQueryContext): DestinationAudit {
  const { client, place, options, export: exportName } = context;
  const audited = bigqueryTable(qualifiedName(context, place.table));
  const results = qualifiedName(context, AUDITS_TABLE);
  const ask = async (table: string, sql: string, signal: AbortSignal, action = "bigquery.tables.getData") =>
    await query(context, { action, resource: `${place.dataset}.${table}` }, sql, {}, signal);
  /** A missing dataset is an error. */
  const exists = async (table: string, signal: AbortSignal): Promise<boolean> => {
    await client.location(signal);
    return (await client.table(table, signal)) !== undefined;
  };
  return {
    dropsDeleted: options.onDelete === "delete",
    async groups(scope, signal) {
      if (!(await exists(place.table, signal))) return [];
      const rows = await ask(place.table, auditGroups(audited, scope), signal);
      return rows.map((row) => auditGroup(row, (name) => name));
    },
    async versions(scope, keys, signal) {
      if (!(await exists(place.table, signal))) return new Map();
      const gone = (await exists(goneTable(context), signal))
        ? bigqueryTable(qualifiedName(context, goneTable(context)))
        : undefined;
      return await versionsOf(
        keys,
        (some) => [auditVersions(audited, some, scope), ...(gone ? [auditVersions(gone, some)] : [])],
        async (sql) => await ask(place.table, sql, signal),
        (name) => name,
      );
    },
    async save(result, readAt, signal) {
      if (!(await exists(AUDITS_TABLE, signal))) {
        await ask(AUDITS_TABLE, createResults(results), signal, "bigquery.tables.create");
      }
      const values = [string(exportName), string(place.table), timestamp(readAt), string(result)];
      const sql = `INSERT INTO ${identifier(results)} (\`export\`, \`target_table\`, \`read_at\`, \`result\`)
VALUES (${values.join(", ")})`;
      await ask(AUDITS_TABLE, sql, signal, "bigquery.tables.updateData");
    },
    async last(signal) {
      if (!(await exists(AUDITS_TABLE, signal))) return undefined;
      const sql = `SELECT audit.\`result\` FROM ${identifier(results)} AS audit
WHERE audit.\`export\` = ${string(exportName)} AND audit.\`target_table\` = ${string(place.table)}
ORDER BY audit.\`read_at\` DESC LIMIT 1`;
      const [row] = await ask(AUDITS_TABLE, sql, signal);
      return row && String(row["result"]);
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

function createResults(table: string): string {
  return createTable({
    table,
    columns: AUDIT_RESULT_COLUMNS,
    key: AUDIT_RESULT_COLUMNS.map(({ name }) => name),
    json: new Set(),
    cluster: ["target_table", "export"],
    description: "Results of audits by Replayport: what differs from the source.",
  });
}
