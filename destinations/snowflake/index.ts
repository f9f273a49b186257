/** The Snowflake destination: a table with one current row per session, and a table of receipts beside it. */
import { type Destination, type DestinationDeps, type DestinationExport, FILE_FORMATS } from "../destination.ts";
import { snowflakeAudit } from "./audit.ts";
import { check } from "./check.ts";
import { addressOf, sessionOpener } from "./client.ts";
import type { SnowflakeContext } from "./context.ts";
import { externalStage } from "./external_stage.ts";
import { sqlName } from "../sql/snowflake.ts";
import { readCoverage, readReceipts } from "./ledger.ts";
import { load } from "./load.ts";
import { namesOf, objectPath } from "./names.ts";
import { DEFAULT_FILE_BYTES, type SnowflakeOptions } from "./options.ts";
import { internalStage } from "./stage.ts";
import { snowflakeRecords } from "./records.ts";
import type { OpenSession } from "./statement.ts";
import { checkTarget } from "./tables.ts";

export type { ExternalStage, SnowflakeAuth, SnowflakeOptions } from "./options.ts";

/** The target as SQL names it: `"DATABASE"."SCHEMA"."TABLE"`. Its rows are the current ones. */
export function snowflakeTable(options: Pick<SnowflakeOptions, "database" | "schema" | "table">): string {
  const names = namesOf(options);
  return objectPath(names, names.table);
}

/** Sends nothing yet. */
export function openSnowflake(
  options: SnowflakeOptions,
  forExport: DestinationExport,
  deps: DestinationDeps,
): Destination {
  return openSnowflakeOn(sessionOpener(options), options, forExport, deps);
}

/** On any sessions, for tests of crashes. The protocol of a load is in load.ts and commit.ts. */
export function openSnowflakeOn(
  openSession: OpenSession,
  options: SnowflakeOptions,
  { export: exportName }: DestinationExport,
  deps: DestinationDeps,
): Destination {
  const names = namesOf(options);
  const { stage, externalStage: bucketStage } = options;
  const context: SnowflakeContext = {
    ...deps,
    export: exportName,
    names,
    role: sqlName(options.role),
    warehouse: sqlName(options.warehouse),
    onDelete: options.onDelete ?? "tombstone",
    openSession,
    openStage: bucketStage === undefined ? internalStage(names, stage) : externalStage(names, bucketStage),
  };
  return {
    name: `${addressOf(options)} ${objectPath(names, names.table)}`,
    formats: FILE_FORMATS,
    fileBytes: options.fileBytes ?? DEFAULT_FILE_BYTES,
    audit: snowflakeAudit(context),
    records: snowflakeRecords(context),
    check: (signal) => check(context, signal),
    checkRows: (rows, signal) => checkTarget(context, rows, signal),
    load: (batch, signal) => load(context, batch, signal),
    async *receipts(range, signal) {
      yield* await readReceipts(context, range, signal);
    },
    async *covered(range, signal) {
      yield* await readCoverage(context, range, signal);
    },
    /** Each call has its own session, which it closes. */
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
