/**
 * Every statement and every job that BigQuery is sent, literally: golden/bigquery.sql and golden/bigquery.jsonc. An emulator
 * takes more than BigQuery does, so these files are what a reviewer holds against Google's documentation; README.md
 * says which page for which statement. `UPDATE_GOLDEN=1` writes them anew.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { bigqueryTable } from "../../../destinations/bigquery/audit.ts";
import { Client } from "../../../destinations/bigquery/client.ts";
import { receiptOf } from "../../../destinations/receipts.ts";
import { type CommitPlan, commitScript, inspect, type StagedRows } from "../../../destinations/bigquery/merge.ts";
import { type BigQueryContext, qualifiedName, ledgerPlace } from "../../../destinations/bigquery/context.ts";
import { goneTable, jsonColumns, ledgerShape, targetShape } from "../../../destinations/bigquery/tables.ts";
import { queryConfiguration } from "../../../destinations/bigquery/jobs.ts";
import { COVERAGE_READ, RECEIPT_READ } from "../../../destinations/warehouse/rows.ts";
import { commitJobId, loadJobId, stagingTable } from "../../../destinations/bigquery/names.ts";
import type { BigQueryOptions } from "../../../destinations/bigquery/options.ts";
import { addColumns, createTable } from "../../../destinations/bigquery/ddl.ts";
import { countReceipts, forgetReceipts, ledgerState, receipts } from "../../../destinations/bigquery/ledger_sql.ts";
import { countDoubledKeys, mendDoubled } from "../../../destinations/bigquery/mend.ts";
import { selectProbe } from "../../../destinations/bigquery/check.ts";
import { loadConfiguration, stagingResource } from "../../../destinations/bigquery/staging.ts";
import type { Batch, FileFormat } from "../../../destinations/destination.ts";
import { auditGroups, auditVersions } from "../../../destinations/warehouse/audit_sql.ts";
import { interval } from "../../../src/intervals/interval.ts";
import type { Column } from "../../../src/models/column.ts";
import { exportedColumns } from "../../../src/models/session_replays_query.ts";
import { REPLAY_COLUMNS } from "../replay_batches.ts";

const FILES = join(import.meta.dirname, "golden");

/** What a variation shows: a key, the times that prune, a list that a deletion empties, and what decides between two rows. */
const FEW = new Set(["session_id", "start_time", "end_time", "all_urls", "is_deleted", "_version", "_exported_at"]);
const COLUMNS = REPLAY_COLUMNS.filter(({ name }) => FEW.has(name));

const OPTIONS: BigQueryOptions = {
  type: "bigquery",
  project: "acme-data",
  dataset: "posthog",
  table: "session_replays",
  credentials: { type: "access_token", token: "none" },
};

function contextOf(options: Partial<BigQueryOptions> = {}): BigQueryContext {
  const all = { ...OPTIONS, ...options };
  return {
    export: "replays",
    options: all,
    client: new Client(all),
    place: { project: all.project, dataset: all.dataset, table: all.table },
    ledger: "_replayport_receipts",
    ready: new Map(),
    now: () => new Date("2026-10-01T02:00:00Z"),
    version: "1.2.3",
    onWarning: () => undefined,
  };
}

const AUDIT_KEYS = ["a", "it's b"].map((session) => ({ team: "1", session }));
const INTERVAL = interval(Date.parse("2026-10-01T00:00:00Z"), Date.parse("2026-10-01T01:00:00Z"));
const READ_AT = new Date("2026-10-01T01:05:00.123Z");

function batchOf(format: FileFormat, columns: readonly Column[] = REPLAY_COLUMNS): Batch {
  return {
    id: "replays/20261001T000000Z_20261001T010000Z",
    export: "replays",
    interval: INTERVAL,
    attempt: "k3v9x0q1m2zt",
    format,
    extension: `.${format}`,
    columns,
    key: ["team_id", "session_id"],
    fingerprint: "0123456789abcdef",
    readAt: READ_AT,
    sourceVersion: "26.7.1.1",
    sourceColumns: [],
    files: (async function* none() {})(),
  };
}

const RANGE = { from: 1_790_726_400_000_000n, to: 1_790_820_000_654_322n, orNone: false };
const RANGED = { partition: { column: "start_time", range: RANGE } };

function commitOf(options: Partial<BigQueryOptions>, staged: Partial<StagedRows> | undefined): string {
  const context = contextOf(options);
  const batch = batchOf(staged?.format ?? "parquet");
  const commit: CommitPlan = {
    ...ledgerPlace(context),
    table: qualifiedName(context, context.place.table),
    gone: qualifiedName(context, goneTable(context)),
    json: jsonColumns(context),
    onDelete: context.options.onDelete ?? "tombstone",
    head: "0h1e2a3d4567",
    receipt: receiptOf(
      batch,
      staged ? { rows: 2, bytes: 4096, files: 1 } : { rows: 0, bytes: 0, files: 0 },
      new Date(0),
    ),
    origin: { replayport: context.version, source: batch.sourceVersion },
    ...(staged
      ? {
          staged: {
            table: qualifiedName(context, stagingTable(context.place, batch)),
            columns: COLUMNS,
            key: ["session_id"],
            format: "parquet",
            ...staged,
          },
        }
      : {}),
  };
  return commitScript(commit);
}

/** As a user's SELECT gives them: nothing is known of what they tell. */
const UNKNOWN = COLUMNS.map((column): Column => ({ ...column, privacy: "content" }));

const ALL = { columns: REPLAY_COLUMNS, key: ["team_id", "session_id"] };

function inspectOf(partition?: string): string {
  const context = contextOf();
  const staging = qualifiedName(context, stagingTable(context.place, batchOf("parquet")));
  const target = qualifiedName(context, context.place.table);
  return inspect(ledgerPlace(context), { target, staging, key: ["session_id"], partition });
}

function statements(): Record<string, string> {
  const context = contextOf();
  const { place } = context;
  const ledger = ledgerPlace(context);
  const key = ["team_id", "session_id"];
  const replays = exportedColumns({ where: [], rules: { include: [], exclude: [], hash: [], stripQuery: [] } });
  const own = contextOf({
    partitionBy: { column: "end_time", granularity: "month" },
    clusterBy: ["distinct_id"],
    jsonColumns: ["first_url", "all_urls"],
  });
  const whole = contextOf({ partitionBy: "none", clusterBy: [] });
  const doubled = {
    table: qualifiedName(context, place.table),
    rows: { columns: COLUMNS, key },
    partition: "start_time",
  };
  const audited = (table: string) => bigqueryTable(qualifiedName(context, table));
  const probe = { ...context, expires: new Date("2026-10-02T02:00:00Z") };
  return {
    "table of session_replays": createTable(targetShape(context, { columns: replays, key })),
    "table with partition_by, cluster_by and json_columns": createTable(targetShape(own, batchOf("parquet"))),
    "table without partitions and clusters": createTable(targetShape(whole, batchOf("parquet"))),
    "table of a check": createTable(targetShape(probe, batchOf("parquet"))),
    "table of receipts": createTable(ledgerShape(context)),
    "columns that the export gained": addColumns(
      qualifiedName(context, place.table),
      REPLAY_COLUMNS.filter(({ name }) => ["score", "all_urls"].includes(name)),
      new Set(["all_urls"]),
    ),
    "receipts of a range": receipts(ledger, INTERVAL, RECEIPT_READ),
    "intervals that are covered": receipts(ledger, INTERVAL, COVERAGE_READ),
    "receipts of a table that is gone": [countReceipts(ledger), forgetReceipts(ledger)].join(";\n"),
    "the last commit, and the receipts of an interval": ledgerState(ledger, INTERVAL),
    "plan of a commit": inspectOf("start_time"),
    "plan of a commit into a table that is not partitioned": inspectOf(),
    "commit of a column of every type": commitOf({}, { ...RANGED, ...ALL }),
    commit: commitOf({}, RANGED),
    "commit with on_delete: delete": commitOf({ onDelete: "delete" }, RANGED),
    "commit of JSON Lines with json_columns": commitOf(
      { jsonColumns: ["first_url", "all_urls"] },
      { ...RANGED, ...ALL, format: "jsonl" },
    ),
    "commit of CSV": commitOf({}, { ...RANGED, ...ALL, format: "csv" }),
    "commit of a user's SELECT": commitOf({}, { columns: UNKNOWN }),
    "commit where rows have no start": commitOf(
      {},
      { partition: { column: "start_time", range: { ...RANGE, orNone: true } } },
    ),
    "commit without a range": commitOf({}, {}),
    "commit without files": commitOf({}, undefined),
    "audit: current rows by day and bucket": auditGroups(audited(place.table), { teams: [1, 2], from: INTERVAL.start }),
    "audit: versions of current rows": auditVersions(audited(place.table), AUDIT_KEYS, {
      teams: "all",
      from: INTERVAL.start,
    }),
    "audit: versions of deleted rows": auditVersions(audited(goneTable(context)), AUDIT_KEYS),
    "keys that a table has twice": countDoubledKeys(doubled),
    "what leaves one row of each key": mendDoubled(doubled),
    "what a check reads back": selectProbe(qualifiedName(context, "_replayport_check_0123456789ab")),
  };
}

function jobs(): Record<string, unknown> {
  const context = contextOf({ maximumBytesBilled: 50 * 1024 ** 3, labels: { team: "Data" } });
  const { place } = context;
  const file = { path: "", index: 0, rows: 2, bytes: 4096, sha256: "ab".repeat(32), release: async () => undefined };
  const load = (format: FileFormat) =>
    loadConfiguration(context, batchOf(format), stagingTable(place, batchOf(format)));
  return {
    "staging table, by tables.insert": stagingResource(context, batchOf("parquet")),
    "staging table of CSV, by tables.insert": stagingResource(context, batchOf("csv")),
    "load job, Parquet": load("parquet"),
    "load job, JSON Lines": load("jsonl"),
    "load job, CSV": load("csv"),
    "query job": queryConfiguration(context, "SELECT 1"),
    "commit job": queryConfiguration(context, "…", batchOf("parquet")),
    ids: {
      load: loadJobId(place, batchOf("parquet"), file, 0),
      "load, after the first ended in an error": loadJobId(place, batchOf("parquet"), file, 1),
      "commit, the first of the table": commitJobId(place, "1790812800000", "", 0),
      "commit, after another": commitJobId(place, "1790812800000", "0h1e2a3d4567", 0),
      "commit, after the first of that id ended in an error": commitJobId(place, "1790812800000", "0h1e2a3d4567", 1),
    },
  };
}

/** Sections, so that a difference shows the statement that has it. */
function golden(file: string, actual: Readonly<Record<string, string>>, begin: (name: string) => string): void {
  const path = join(FILES, file);
  const whole = Object.entries(actual)
    .map(([name, text]) => `${begin(name)}\n${text.trimEnd()}\n`)
    .join("\n");
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path, whole);
  const held = readFileSync(path, "utf8");
  for (const [name, text] of Object.entries(actual)) {
    const from = held.indexOf(`${begin(name)}\n`);
    assert.ok(from >= 0, `${file} has no "${name}": UPDATE_GOLDEN=1 writes it`);
    const rest = held.slice(from + begin(name).length + 1);
    assert.equal(rest.slice(0, text.trimEnd().length + 2).trimEnd(), text.trimEnd(), name);
  }
  assert.equal(held, whole, "the file holds more than is sent");
}

suite("golden: bigquery", () => {
  test("every statement is the one that was reviewed", () => {
    golden("bigquery.sql", statements(), (name) => `-- ${name}`);
  });

  test("every job is the one that was reviewed", () => {
    const texts = Object.entries(jobs()).map(([name, job]) => [name, JSON.stringify(job, undefined, 2)]);
    golden("bigquery.jsonc", Object.fromEntries(texts) as Record<string, string>, (name) => `// ${name}`);
  });
});
