/** Does everything that a load does, with one row, and says which step failed and how to fix it. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import { checkSteps } from "../check.ts";
import { expectProbe, openProbe } from "../warehouse/probe.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { type BigQueryContext, qualifiedName } from "./context.ts";
import { lackingPermissions } from "./denied.ts";
import { query } from "./jobs.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { checkDataset, load } from "./load.ts";
import { goneTable } from "./tables.ts";
import { bigquery } from "../sql/bigquery.ts";

const HOUR_MS = 3_600_000;

/** The permissions that a load needs on a table that exists. */
const NEEDED = [
  "bigquery.tables.get",
  "bigquery.tables.getData",
  "bigquery.tables.updateData",
  "bigquery.tables.update",
];

export async function check(context: BigQueryContext, signal: AbortSignal): Promise<void> {
  const { client, options, place } = context;
  await using opened = await openProbe(context.export, context.now(), context.folder);
  const { batch } = opened;
  const probe = `_replayport_check_${batch.attempt}`;
  const probing: BigQueryContext = {
    ...context,
    place: { ...place, table: probe },
    ledger: `${probe}_receipts`,
    // Not partitioned: a dataset may drop old partitions, and the probe's row has a fixed day.
    options: { ...options, partitionBy: "none", clusterBy: [], jsonColumns: [], onDelete: "tombstone" },
    ready: new Map(),
    expires: new Date(context.now().getTime() + 24 * HOUR_MS),
  };
  const step = checkSteps("BigQuery's check", signal);
  try {
    await step("finding the dataset", () => checkDataset(context, signal));
    await step("finding the dataset", () => warnOfExpiration(context, signal));
    for (const table of [place.table, context.ledger]) {
      await step(`looking at ${place.dataset}.${table}`, () => checkStanding(context, table, signal));
    }
    await step("reading the receipts", () => readCoverage(context, lastHour(context), signal));
    await step("loading one row", () => load(probing, batch, signal));
    await step("reading it back", async () => {
      const what = { action: "bigquery.tables.getData", table: probe };
      expectProbe(await query(probing, what, selectProbe(qualifiedName(probing, probe)), {}, signal));
    });
    const [receipt] = await step("reading its receipt back", () => readReceipts(probing, batch.interval, signal));
    if (receipt?.attempt !== batch.attempt) throw broken(context);
    await step("removing what the check wrote", async () => {
      await client.dropTable(probe, signal);
      await client.dropTable(probing.ledger, signal);
    });
  } catch (error) {
    const deadline = cleanupDeadline(60_000);
    await client.dropTable(probe, deadline).catch(() => undefined);
    await client.dropTable(probing.ledger, deadline).catch(() => undefined);
    throw error;
  }
}

/** What was loaded must not vanish by itself: its receipts would stay, and nothing would load it again. */
async function warnOfExpiration(context: BigQueryContext, signal: AbortSignal): Promise<void> {
  const { client, ledger, onWarning, place } = context;
  const schema = `\`${place.project}\`.\`${place.dataset}\``;
  const dataset = await client.resource(signal);
  const days = (ms: string | undefined): number => Number(ms ?? 0) / (24 * HOUR_MS);
  if (days(dataset.defaultTableExpirationMs) > 0) {
    onWarning("the dataset's tables expire; once the table of receipts has, everything is due again", {
      days: days(dataset.defaultTableExpirationMs),
      hint: `ALTER SCHEMA ${schema} SET OPTIONS (default_table_expiration_days = NULL); for tables that are there: ALTER TABLE … SET OPTIONS (expiration_timestamp = NULL);`,
    });
  }
  if (days(dataset.defaultPartitionExpirationMs) > 0) {
    onWarning("the dataset drops old partitions of its tables by default; a table that Replayport creates keeps them", {
      days: days(dataset.defaultPartitionExpirationMs),
      hint: `ALTER SCHEMA ${schema} SET OPTIONS (default_partition_expiration_days = NULL);`,
    });
  }
  for (const name of [place.table, ledger, goneTable(context)]) {
    const found = await client.table(name, signal);
    const set = `ALTER TABLE ${bigquery.identifier(qualifiedName(context, name))} SET OPTIONS`;
    if (found?.expirationTime !== undefined) {
      const expires = new Date(Number(found.expirationTime)).toISOString();
      const hint = `${set} (expiration_timestamp = NULL);`;
      onWarning(`the table ${name} expires, and what was loaded goes with it`, { expires, hint });
    }
    if (days(found?.timePartitioning?.expirationMs) > 0) {
      onWarning(`the table ${name} drops its old partitions: sessions vanish, and their receipts stay`, {
        days: days(found?.timePartitioning?.expirationMs),
        hint: `${set} (partition_expiration_days = NULL);`,
      });
    }
  }
}

/** An existing table may have its own access list, which the check's tables don't show. */
async function checkStanding({ client }: BigQueryContext, table: string, signal: AbortSignal): Promise<void> {
  if (!(await client.table(table, signal))) return;
  const lacking = await client.lacking(table, NEEDED, signal);
  if (lacking.length === 0) return;
  throw lackingPermissions(lacking, client.request("bigquery.tables.updateData", table));
}

function lastHour({ now }: BigQueryContext): ReturnType<typeof interval> {
  const end = Math.floor(now().getTime() / HOUR_MS) * HOUR_MS;
  return interval(end - HOUR_MS, end);
}

function broken({ place }: BigQueryContext): ReplayportError {
  return new ReplayportError(
    `${place.project}.${place.dataset}: the receipt of the check's load isn't there`,
    giveUp(
      "bigquery.not_consistent",
      `Look for a row access policy, or for something else that writes to ${RECEIPTS_TABLE}.`,
    ),
  );
}

/** The names are those that warehouse/probe.ts compares. */
export function selectProbe(table: string): string {
  return `SELECT \`session_id\`, \`first_url\`, TO_JSON_STRING(\`all_urls\`) AS \`all_urls\`, UNIX_MICROS(\`start_time\`) AS \`start_us\`, UNIX_MICROS(\`end_time\`) AS \`end_us\`, \`is_deleted\`, \`active_seconds\`, \`_version\` AS \`version\`, UNIX_MICROS(\`_exported_at\`) AS \`exported_us\`
FROM ${bigquery.identifier(table)}`;
}
