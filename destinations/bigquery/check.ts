/** Does for real, on a small scale, all that a load does, and says which step did not work and what would let it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Batch, StagedFile } from "../destination.ts";
import { stagedFile } from "../files/staged_file.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { type BigQueryContext, qualifiedName, ownDeadline } from "./context.ts";
import { lackingPermissions } from "./errors.ts";
import { query } from "./jobs.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { load } from "./load.ts";
import { checkLocation } from "./location.ts";
import { countRows } from "./sql.ts";

const HOUR_MS = 3_600_000;

/** The columns that every way of a load needs: a key, a range, a list, a version. */
const COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  column("all_urls", "string[]"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

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
    options: { project: place.project, dataset: place.dataset, table: probe, type: "bigquery", ...kept(context) },
    ready: new Map(),
    expires: new Date(context.now().getTime() + 24 * HOUR_MS),
  };
  const step = async <Answer>(what: string, work: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw named(what, error);
    }
  };
  const folder = await mkdtemp(join(tmpdir(), "replayport-check-"));
  try {
    await step("finding the dataset", () => checkLocation(context, signal));
    await step("finding the dataset", () => warnOfExpiration(context, signal));
    for (const table of [place.table, context.ledger]) {
      await step(`looking at ${place.dataset}.${table}`, () => checkStanding(context, table, signal));
    }
    await step("reading the receipts", () => readCoverage(context, lastHour(context), signal));
    const batch = await probeBatch(context, folder);
    const receipt = await step("loading one row", () => load(probing, batch, signal));
    const what = { action: "bigquery.tables.getData", resource: `${place.dataset}.${probe}` };
    const rows = await step("reading it back", () =>
      query(probing, what, countRows(qualifiedName(probing, probe)), {}, signal),
    );
    const ledger = await step("reading its receipt back", () => readReceipts(probing, batch.interval, signal));
    if (Number(rows[0]?.["rows"]) !== 1 || ledger.length !== 1 || ledger[0]?.attempt !== receipt.attempt) {
      throw broken(context);
    }
    await step("removing what the check wrote", async () => {
      await client.dropTable(probe, signal);
      await client.dropTable(probing.ledger, signal);
    });
  } catch (error) {
    const deadline = ownDeadline();
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

async function probeBatch(context: BigQueryContext, folder: string): Promise<Batch> {
  const row = {
    team_id: 0,
    session_id: "replayport-check",
    start_time: context.now().toISOString(),
    end_time: context.now().toISOString(),
    all_urls: ["https://example.com/"],
    _version: 1,
    _exported_at: context.now().toISOString(),
  };
  const text = `${JSON.stringify(row)}\n`;
  const path = join(folder, "check.jsonl");
  await writeFile(path, text);
  const file = await stagedFile(path, { rows: 1 });
  return {
    id: `${context.export}/check`,
    export: context.export,
    interval: lastHour(context),
    attempt: randomBytes(6).toString("hex"),
    format: "jsonl",
    extension: ".jsonl",
    columns: COLUMNS,
    key: ["team_id", "session_id"],
    fingerprint: "0000000000000000",
    readAt: context.now(),
    sourceVersion: "",
    files: only(file),
  };
}

// oxlint-disable-next-line typescript/require-await
async function* only(file: StagedFile): AsyncIterable<StagedFile> {
  yield file;
}

function lastHour({ now }: BigQueryContext): ReturnType<typeof interval> {
  const end = Math.floor(now().getTime() / HOUR_MS) * HOUR_MS;
  return interval(end - HOUR_MS, end);
}

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: false, privacy: "none", description: "" };
}

function named(step: string, error: unknown): unknown {
  if (!(error instanceof ReplayportError)) return error;
  const { code, remedy, hint, retryAfterMs } = error;
  return new ReplayportError(`BigQuery's check failed at ${step}: ${messageOf(error)}`, {
    code,
    remedy,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  });
}

function broken({ place }: BigQueryContext): ReplayportError {
  return new ReplayportError(`${place.project}.${place.dataset}: what was loaded is not what is read back`, {
    code: "bigquery.not_consistent",
    remedy: "give-up",
    hint: `Look for a row access policy, or for something else that writes to ${RECEIPTS_TABLE}.`,
  });
}
