/** Does for real, on a small scale, all that a load does, and says which step did not work and what would let it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import { checkSteps } from "../check.ts";
import { expectProbe, probeBatch } from "../warehouse/probe.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { cleanupDeadline } from "../cleanup.ts";
import { type BigQueryContext, qualifiedName } from "./context.ts";
import { lackingPermissions } from "./errors.ts";
import { query } from "./jobs.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { checkLocation, load } from "./load.ts";
import { bigquery } from "../sql/bigquery.ts";

const HOUR_MS = 3_600_000;

/** What a load does to a table that is there: looks at it, reads it, merges into it, adds columns. */
const NEEDED = [
  "bigquery.tables.get",
  "bigquery.tables.getData",
  "bigquery.tables.updateData",
  "bigquery.tables.update",
];

export async function check(context: BigQueryContext, signal: AbortSignal): Promise<void> {
  const { client, place } = context;
  const probe = `_replayport_check_${randomBytes(6).toString("hex")}`;
  const probing: BigQueryContext = {
    ...context,
    place: { ...place, table: probe },
    ledger: `${probe}_receipts`,
    // Not partitioned: a dataset may drop old partitions, and the probe's row has a fixed day.
    options: {
      type: "bigquery",
      project: place.project,
      dataset: place.dataset,
      table: probe,
      partitionBy: "none",
      ...kept(context),
    },
    ready: new Map(),
    expires: new Date(context.now().getTime() + 24 * HOUR_MS),
  };
  const step = checkSteps("BigQuery's check", signal);
  const folder = await mkdtemp(join(tmpdir(), "replayport-check-"));
  try {
    await step("finding the dataset", () => checkLocation(context, signal));
    await step("finding the dataset", () => warnOfExpiration(context, signal));
    for (const table of [place.table, context.ledger]) {
      await step(`looking at ${place.dataset}.${table}`, () => checkStanding(context, table, signal));
    }
    await step("reading the receipts", () => readCoverage(context, lastHour(context), signal));
    const attempt = randomBytes(6).toString("hex");
    const batch = await probeBatch(context.export, { folder, attempt, readAt: context.now() });
    await step("loading one row", () => load(probing, batch, signal));
    await step("reading it back", async () => {
      const what = { action: "bigquery.tables.getData", resource: `${place.dataset}.${probe}` };
      expectProbe(await query(probing, what, selectProbe(qualifiedName(probing, probe)), {}, signal));
    });
    const [receipt] = await step("reading its receipt back", () => readReceipts(probing, batch.interval, signal));
    if (receipt?.attempt !== attempt) throw broken(context);
    await step("removing what the check wrote", async () => {
      await client.dropTable(probe, signal);
      await client.dropTable(probing.ledger, signal);
    });
  } catch (error) {
    const deadline = cleanupDeadline(60_000);
    await client.dropTable(probe, deadline).catch(() => undefined);
    await client.dropTable(probing.ledger, deadline).catch(() => undefined);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** New tables of the dataset may expire: nothing is lost by it in the source, but what was loaded goes, and is due again. */
async function warnOfExpiration({ client, onWarning, place }: BigQueryContext, signal: AbortSignal): Promise<void> {
  const expires = Number((await client.resource(signal)).defaultTableExpirationMs ?? 0);
  if (expires === 0) return;
  onWarning("tables of the dataset expire, and with the table of receipts all that was loaded would be due again", {
    days: expires / (24 * HOUR_MS),
    hint: `ALTER SCHEMA \`${place.project}\`.\`${place.dataset}\` SET OPTIONS (default_table_expiration_days = NULL); for tables that are there: ALTER TABLE … SET OPTIONS (expiration_timestamp = NULL);`,
  });
}

/** A table that is there may have an access list of its own, which a table of the check's does not show. */
async function checkStanding({ client, place }: BigQueryContext, table: string, signal: AbortSignal): Promise<void> {
  if (!(await client.table(table, signal))) return;
  const lacking = await client.lacking(table, NEEDED, signal);
  if (lacking.length === 0) return;
  throw lackingPermissions(lacking, client.request("bigquery.tables.updateData", `${place.dataset}.${table}`));
}

/** What of the options shapes jobs, and not the table. */
function kept({ options }: BigQueryContext): object {
  return {
    ...(options.labels ? { labels: options.labels } : {}),
    ...(options.location === undefined ? {} : { location: options.location }),
    ...(options.maximumBytesBilled === undefined ? {} : { maximumBytesBilled: options.maximumBytesBilled }),
  };
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

/** For a check, as warehouse/probe.ts wants it. */
export function selectProbe(table: string): string {
  return `SELECT \`session_id\`, \`first_url\`, TO_JSON_STRING(\`all_urls\`) AS \`all_urls\`, UNIX_MICROS(\`start_time\`) AS \`start_us\`, UNIX_MICROS(\`end_time\`) AS \`end_us\`, \`is_deleted\`, \`active_seconds\`, \`_version\` AS \`version\`, UNIX_MICROS(\`_exported_at\`) AS \`exported_us\`
FROM ${bigquery.identifier(table)}`;
}
