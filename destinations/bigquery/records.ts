/** Records of an export in BigQuery: a table of each kind beside the receipts. */
import type { DestinationRecords, RecordKind } from "../destination.ts";
import { bigquery } from "../sql/bigquery.ts";
import { RECORD_COLUMNS, RECORDS_DESCRIPTIONS, RECORDS_TABLES } from "../warehouse/rows.ts";
import { type BigQueryContext, qualifiedName } from "./context.ts";
import { createTable } from "./ddl.ts";
import { query } from "./jobs.ts";

const { identifier, string, timestamp } = bigquery;

export function bigqueryRecords(context: BigQueryContext): DestinationRecords {
  const { client, place, export: exportName } = context;
  const ask = async (kind: RecordKind, sql: string, signal: AbortSignal, action = "bigquery.tables.getData") =>
    await query(context, { action, table: RECORDS_TABLES[kind] }, sql, {}, signal);
  const find = async (kind: RecordKind, order: string, signal: AbortSignal): Promise<string[]> => {
    if (!(await client.table(RECORDS_TABLES[kind], signal))) return [];
    const sql = `SELECT record.\`result\` FROM ${identifier(qualifiedName(context, RECORDS_TABLES[kind]))} AS record
WHERE record.\`export\` = ${string(exportName)} AND record.\`target_table\` = ${string(place.table)}
ORDER BY record.\`read_at\` ${order}`;
    return (await ask(kind, sql, signal)).map((row) => String(row["result"]));
  };
  return {
    async add(kind, text, at, signal) {
      const table = qualifiedName(context, RECORDS_TABLES[kind]);
      if (!(await client.table(RECORDS_TABLES[kind], signal))) {
        await ask(kind, createRecords(table, kind), signal, "bigquery.tables.create");
      }
      const values = [string(exportName), string(place.table), timestamp(at), string(text)];
      const sql = `INSERT INTO ${identifier(table)} (\`export\`, \`target_table\`, \`read_at\`, \`result\`)
VALUES (${values.join(", ")})`;
      await ask(kind, sql, signal, "bigquery.tables.updateData");
    },
    last: async (kind, signal) => (await find(kind, "DESC LIMIT 1", signal))[0],
    all: async (kind, signal) => await find(kind, "ASC", signal),
  };
}

function createRecords(table: string, kind: RecordKind): string {
  return createTable({
    table,
    columns: RECORD_COLUMNS,
    key: RECORD_COLUMNS.map(({ name }) => name),
    json: new Set(),
    cluster: ["target_table", "export"],
    description: RECORDS_DESCRIPTIONS[kind],
  });
}
