/** The BigQuery destination: a table with one current row per session, and a table of receipts beside it. */
import {
  type Destination,
  type DestinationDeps,
  type DestinationExport,
  FILE_BYTES,
  FILE_FORMATS,
} from "../destination.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { bigqueryAudit } from "./audit.ts";
import { check } from "./check.ts";
import { Client } from "./client.ts";
import type { BigQueryContext } from "./context.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { load } from "./load.ts";
import type { BigQueryOptions } from "./options.ts";
import { bigqueryRecords } from "./records.ts";
import { checkTarget } from "./tables.ts";

export type { BigQueryCredentials, BigQueryOptions, Impersonation, Partitioning } from "./options.ts";

/** Sends nothing yet. The protocol of a load is in load.ts. */
export function openBigQuery(
  options: BigQueryOptions,
  { export: exportName }: DestinationExport,
  deps: DestinationDeps,
): Destination {
  const { project, dataset, table } = options;
  const context: BigQueryContext = {
    ...deps,
    export: exportName,
    options,
    client: new Client(options),
    place: { project, dataset, table },
    ledger: RECEIPTS_TABLE,
    ready: new Map(),
  };
  return {
    name: `bigquery://${project}.${dataset}.${table}`,
    formats: FILE_FORMATS,
    fileBytes: options.fileBytes ?? FILE_BYTES,
    audit: bigqueryAudit(context),
    records: bigqueryRecords(context),
    check: (signal) => check(context, signal),
    checkRows: (rows, signal) => checkTarget(context, rows, signal),
    load: (batch, signal) => load(context, batch, signal),
    async *receipts(range, signal) {
      yield* await readReceipts(context, range, signal);
    },
    /** One query; BigQuery bills at least 10 MB for it, and nothing if there is no ledger yet. */
    async *covered(range, signal) {
      yield* await readCoverage(context, range, signal);
    },
    /** The client has no connection beyond Node's shared pool. */
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
