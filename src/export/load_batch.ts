/**
 * One run: source → stage → load → receipt. It holds nothing between two calls; what was loaded is known to the
 * destination alone. It logs nothing either: what goes wrong is thrown, and what goes on is told to `onProgress`.
 */
import type { Batch, Coverage, Destination, Receipt, StagedFile } from "../../destinations/destination.ts";
import { ReplayportError } from "../errors.ts";
import { firstUncovered } from "../intervals/coverage.ts";
import { isSwept } from "../intervals/due.ts";
import { type Interval, contains, describeInterval } from "../intervals/interval.ts";
import type { Model, Part, Read } from "../models/model.ts";
import { type Stage, openStage } from "../stage/stage.ts";
import { cutFiles, filesFor } from "./cut_files.ts";
import { type ExportDefinition, batchId, fileExtension, fingerprint } from "./definition.ts";
import { readCoverage } from "./ledger.ts";
import type { Source } from "./source.ts";

export interface LoadOptions {
  /** The intervals that the ledger covers; decides what a repeated reading has to carry along. */
  readonly covered: readonly Coverage[];
  /** Accept that a repeated reading finds fewer sessions than the receipt that it replaces. */
  readonly allowFewer: boolean;
  /** The most rows that an earlier attempt of this run staged for the batch. */
  readonly seenRows: number;
}

export interface LoadDependencies {
  readonly source: Source;
  readonly destination: Destination;
  readonly stageRoot: string;
  readonly now: () => Date;
  /** 12 characters of [0-9a-z], new at each call. */
  readonly newAttempt: () => string;
  readonly onProgress: (progress: Progress) => void;
}

export type Progress =
  | { readonly kind: "counted"; readonly sessions: number; readonly files: number }
  | { readonly kind: "staged"; readonly rows: number; readonly bytes: number; readonly seconds: number }
  | { readonly kind: "loaded"; readonly receipt: Receipt };

/** Bytes of a row in a file, before any was written: the aggregated replay rows of PostHog take 80 to 200. */
const USUAL_ROW_BYTES = 200;

/** A batch that is read so long after its end is read without the lookback's bound, and counts as a sweep. */
function pruneBound(definition: ExportDefinition, interval: Interval, readAt: Date): Date | undefined {
  const age = readAt.getTime() - interval.end.getTime();
  // Half, so that a batch whose loading takes long is never taken for a sweep without having been read as one.
  if (definition.sweep && age >= definition.sweep.afterMs / 2) return undefined;
  return new Date(interval.start.getTime() - definition.lookbackMs);
}

export async function loadBatch(
  definition: ExportDefinition,
  interval: Interval,
  options: LoadOptions,
  dependencies: LoadDependencies,
  signal: AbortSignal,
): Promise<Receipt> {
  const { source, destination, now } = dependencies;
  const readAt = now();
  const attempt = dependencies.newAttempt();
  const { version } = await source.info(signal);
  const model = await source.model(definition, signal);
  const mark = fingerprint(definition, model.columns);
  const reload = options.covered.some((one) => contains(interval, one.interval));
  const previous = reload ? await receiptsWithin(destination, interval, mark, signal) : [];
  const carried = await alsoChangedSince(
    definition,
    destination,
    interval,
    reload ? options.covered : undefined,
    signal,
  );
  const read = {
    interval,
    exportedAt: readAt,
    // Rows that merge also move to their earliest beginning: with the bound, a repeated reading might miss what it has.
    pruneBefore: carried === undefined ? pruneBound(definition, interval, readAt) : undefined,
    alsoChangedSince: carried,
  };
  const purpose = { export: definition.name, interval, limits: definition.limits };
  const [counted] = await source.numbers(model.count(read), purpose, signal);
  const sessions = counted?.["sessions"] ?? 0;
  const rowsPerFile = Math.min(definition.rowsPerFile, Math.ceil(destination.fileBytes / USUAL_ROW_BYTES));
  const parts = await cutFiles(model, read, sessions, filesFor(sessions, rowsPerFile), source, purpose, signal);
  dependencies.onProgress({ kind: "counted", sessions, files: parts.length });

  await using stage = await openStage(dependencies.stageRoot, attempt);
  let stagedRows = 0;
  const expected = Math.max(options.seenRows, ...previous.map(({ rows }) => rows));
  async function* stagedFiles(): AsyncGenerator<StagedFile> {
    // A destination that gives up leaves the loop; what is being extracted by then is not waited for.
    const leave = new AbortController();
    const staging = stageFiles(
      definition,
      model,
      read,
      parts,
      stage,
      dependencies,
      AbortSignal.any([signal, leave.signal]),
    );
    for await (const file of ahead(staging, leave)) {
      stagedRows += file.rows;
      yield file;
    }
    // Checked when the last file is known and before the destination can commit.
    if (stagedRows < expected && !options.allowFewer) {
      await refuseFewer(definition, interval, model, read, stagedRows, expected, source, signal);
    }
  }
  const batch: Batch = {
    id: batchId(definition.name, interval),
    export: definition.name,
    interval,
    attempt,
    format: definition.format,
    extension: fileExtension(definition.format, definition.compression),
    columns: model.columns,
    key: model.key,
    fingerprint: mark,
    readAt,
    sourceVersion: version,
    files: stagedFiles(),
  };
  const receipt = await destination.load(batch, signal);
  if (receipt.rows !== stagedRows) {
    throw new ReplayportError(
      `${batch.id}: ${stagedRows} rows were staged, the destination's receipt says ${receipt.rows}`,
      {
        code: "load.rows_differ",
        remedy: "give-up",
        hint: "This is a fault of the destination's adapter; please report it with this message.",
      },
    );
  }
  dependencies.onProgress({ kind: "loaded", receipt });
  return receipt;
}

/**
 * What a load removes, be it a batch or what a dead attempt left in sight, may hold sessions that have moved to a later
 * interval since. From this moment on no batch is sure to have them: one that was not read as a sweep may have been read
 * before the row came that moved the session. See docs/adr/0003-a-reload-carries-along.md
 * @param covered of a repeated reading
 */
async function alsoChangedSince(
  { sweep }: ExportDefinition,
  destination: Destination,
  interval: Interval,
  covered: readonly Coverage[] | undefined,
  signal: AbortSignal,
): Promise<Date | undefined> {
  let later = covered;
  if (later === undefined) {
    if ((await destination.hasUncommittedFiles?.(interval, signal)) !== true) return undefined;
    later = await readCoverage(destination, signal, interval.start);
  }
  const swept = sweep === undefined ? [] : later.filter((one) => isSwept(one, sweep));
  return firstUncovered(
    interval.end,
    swept.map((one) => one.interval),
  );
}

async function receiptsWithin(
  destination: Destination,
  interval: Interval,
  mark: string,
  signal: AbortSignal,
): Promise<Receipt[]> {
  const found: Receipt[] = [];
  for await (const receipt of destination.receipts(interval, signal)) {
    // Under other rules or conditions another number of rows is to be expected.
    if (contains(interval, receipt.interval) && receipt.fingerprint === mark) found.push(receipt);
  }
  return found;
}

async function* stageFiles(
  definition: ExportDefinition,
  model: Model,
  read: Omit<Read, "part">,
  parts: readonly Part[],
  stage: Stage,
  dependencies: LoadDependencies,
  signal: AbortSignal,
): AsyncGenerator<StagedFile> {
  const { format, compression, name: exportName, limits } = definition;
  const extension = fileExtension(format, compression);
  for (const part of parts) {
    const began = performance.now();
    const query = model.rows({ ...read, part }, format);
    const purpose = { export: exportName, interval: read.interval, limits };
    const { stream, rows } = await dependencies.source.extract(query, format, compression, purpose, signal);
    const file = await stage.add({ stream, rows, format, extension, index: part.index }, signal);
    dependencies.onProgress({
      kind: "staged",
      rows: file.rows,
      bytes: file.bytes,
      seconds: (performance.now() - began) / 1000,
    });
    // A part whose sessions were all moved or filtered away is no file.
    if (file.rows > 0) yield file;
  }
}

/** Begins with the next item while the last one is used; never more than one ahead. Aborts `leave` when it is left early. */
async function* ahead<T>(items: AsyncGenerator<T>, leave: AbortController): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const item = await next;
      if (item.done === true) return;
      next = items.next();
      // Awaited in the next turn, or below; until then a rejection must not count as unhandled.
      next.catch(() => undefined);
      yield item.value;
    }
  } finally {
    leave.abort();
    await next.catch(() => undefined);
    await items.return(undefined);
  }
}

/** Sessions that moved to a later interval explain fewer rows; a source that has lost rows does not. */
async function refuseFewer(
  definition: ExportDefinition,
  interval: Interval,
  model: Model,
  read: Omit<Read, "part">,
  rows: number,
  expected: number,
  source: Source,
  signal: AbortSignal,
): Promise<void> {
  const query = model.countMovedSince(read);
  if (query === undefined) return;
  const purpose = { export: definition.name, interval, limits: definition.limits };
  const [moved] = await source.numbers(query, purpose, signal);
  if (expected - rows <= (moved?.["sessions"] ?? 0)) return;
  throw new ReplayportError(
    `${batchId(definition.name, interval)}: the source now has ${rows} sessions for ${describeInterval(interval)}, ` +
      `an earlier reading had ${expected}`,
    {
      code: "load.fewer_rows",
      remedy: "give-up",
      hint:
        "The source has probably dropped old rows (retention, purge of deleted recordings). What was loaded before is kept. " +
        "To replace it all the same: backfill --force --allow-fewer.",
    },
  );
}
