/** Loads staged files into the attempt's own staging table: one load job each, free of charge. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { isRetryable, type RetryPolicy, withRetries } from "../../src/retry.ts";
import type { Batch, StagedFile, Totals } from "../destination.ts";
import { eachFile } from "../files/each_file.ts";
import { lostRace } from "../races.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import type { BigQueryContext } from "./context.ts";
import { jobError } from "./errors.ts";
import { failed, runJob } from "./jobs.ts";
import { jobLabels, loadJobId, stagingTable } from "./names.ts";
import { type Pace, pacer } from "./pace.ts";
import { stagingField } from "./types.ts";

const DAY_MS = 86_400_000;
/** A load job that failed on BigQuery's side is repeated, under the next generation of its id. */
const LOAD_RETRY: RetryPolicy = { attempts: 3, firstDelayMs: 1_000, longestDelayMs: 4_000 };

export interface Staged {
  /** Undefined if the batch had no files. */
  readonly table: string | undefined;
  readonly totals: Totals;
}

/** @param onTable called before the table is created, so that the caller can drop it however the load ends */
export async function stageFiles(
  context: BigQueryContext,
  batch: Batch,
  onTable: (table: string) => void,
  signal: AbortSignal,
): Promise<Staged> {
  const table = stagingTable(context.place, batch);
  let created = false;
  const pace = pacer();
  const put = async (file: StagedFile, inner: AbortSignal): Promise<void> => {
    if (!created) {
      onTable(table);
      await pace(inner);
      await context.client.createTable(table, stagingResource(context, batch), inner);
      created = true;
    }
    await loadFile(context, batch, table, file, pace, inner);
  };
  const { totals } = await eachFile(batch.files, 1, put, signal);
  return { table: created ? table : undefined, totals };
}

/** The staging table as tables.insert takes it. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table */
export function stagingResource(context: BigQueryContext, batch: Pick<Batch, "columns" | "format">): object {
  return {
    schema: { fields: batch.columns.map((column) => stagingField(column, batch.format)) },
    // In case the worker dies and nobody loads this batch again.
    expirationTime: String(context.now().getTime() + DAY_MS),
    labels: jobLabels({}, context.export),
  };
}

async function loadFile(
  context: BigQueryContext,
  batch: Batch,
  table: string,
  file: StagedFile,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  const { client, place } = context;
  const configuration = loadConfiguration(context, batch, table);
  const request = client.request("bigquery.tables.updateData", table);
  let generation = 0;
  let failure: ReplayportError | undefined;
  const run = async (): Promise<void> => {
    for (;;) {
      const jobId = loadJobId(place, batch, file, generation);
      const submit = (own: AbortSignal) => client.upload({ jobId, configuration, file }, own);
      await pace(signal);
      const { job, existed } = await runJob(context, { jobId, submit }, signal);
      signal.throwIfAborted();
      if (job !== undefined && !failed(job)) {
        const loaded = Number(job.statistics?.load?.outputRows ?? Number.NaN);
        return expectRows(batch, file.rows, `loaded of file ${file.index}`, loaded);
      }
      generation += 1;
      if (job === undefined) continue;
      const error = jobError(job.status?.errorResult ?? {}, request);
      // Another attempt has won, and removed what this one staged.
      if (error.code === "bigquery.vanished") throw lostRace(batch);
      // The id may have been spent before; only a job that failed now counts as an attempt.
      if (existed) continue;
      failure = error;
      throw error;
    }
  };
  const retryable = (error: unknown): boolean => error === failure && isRetryable(error);
  await withRetries(run, { policy: LOAD_RETRY, retryable }, signal);
}

/** `configuration` of the load job. https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad */
export function loadConfiguration(context: BigQueryContext, batch: Batch, table: string): object {
  const { place, options } = context;
  return {
    load: {
      destinationTable: { projectId: place.project, datasetId: place.dataset, tableId: table },
      schema: { fields: batch.columns.map((column) => stagingField(column, batch.format)) },
      writeDisposition: "WRITE_APPEND",
      // If the table is gone, another attempt has won.
      createDisposition: "CREATE_NEVER",
      maxBadRecords: 0,
      ...formatOptions(batch),
    },
    labels: jobLabels(options.labels ?? {}, context.export, { interval: batch.interval, attempt: batch.attempt }),
  };
}

function formatOptions(batch: Batch): object {
  switch (batch.format) {
    case "parquet":
      return { sourceFormat: "PARQUET", parquetOptions: { enableListInference: true } };
    case "jsonl":
      return { sourceFormat: "NEWLINE_DELIMITED_JSON", encoding: "UTF-8", ignoreUnknownValues: false };
    case "csv":
      return {
        sourceFormat: "CSV",
        encoding: "UTF-8",
        fieldDelimiter: ",",
        skipLeadingRows: "1",
        allowQuotedNewlines: true,
        preserveAsciiControlCharacters: true,
        // What ClickHouse writes for NULL. An empty string stays empty.
        nullMarker: "\\N",
      };
    default:
      return batch.format satisfies never;
  }
}

/** BigQuery loads text files uncompressed or gzipped only. Inside Parquet it reads every compression. */
export function checkCompression(batch: Pick<Batch, "format" | "extension">): void {
  const { format, extension } = batch;
  if (format === "parquet" || /\.(jsonl|csv)(\.gz)?$/.test(extension)) return;
  throw new ReplayportError(
    `BigQuery cannot load ${extension} files`,
    giveUp(
      "bigquery.compression",
      `Write \`compression: gzip\` or \`compression: none\` into the export, or \`format: parquet\`, which BigQuery reads with zstd too.`,
    ),
  );
}
