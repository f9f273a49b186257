/**
 * One attempt at one batch: source → stage → load → receipt. It keeps nothing between two calls; only the destination knows
 * what was loaded. It doesn't log. Errors are thrown; progress goes to `onProgress`.
 */
import type { Batch, Coverage, Destination, Receipt, StagedFile } from "../../destinations/destination.ts";
import { ReplayportError, giveUp, retry } from "../errors.ts";
import { type Interval, contains, describeInterval, overlaps } from "../intervals/interval.ts";
import type { Model, Part, Read } from "../models/model.ts";
import { type Stage, openStage } from "../stage/stage.ts";
import { agreedNow, clockBetween } from "./clock.ts";
import { readCorrections } from "./corrections.ts";
import { cutFiles, filesFor } from "./cut_files.ts";
import { type ExportDefinition, batchId, fileExtension, fingerprint } from "./definition.ts";
import { refuseGoneColumns } from "./gone_columns.ts";
import type { Source } from "./source.ts";

export interface LoadOptions {
  /** The intervals that the ledger covers. Decides which moved sessions a reload has to include. */
  readonly covered: readonly Coverage[];
  /** The source's model for all loads of a run. Default: the source is asked. */
  readonly model?: (signal: AbortSignal) => Promise<Model>;
}

export interface LoadDependencies {
  readonly source: Source;
  readonly destination: Destination;
  readonly stageRoot: string;
  readonly now: () => Date;
  /** 12 characters of [0-9a-z], unique for each call. */
  readonly newAttempt: () => string;
  readonly onProgress: (progress: Progress) => void;
}

export type Progress =
  | { readonly kind: "counted"; readonly sessions: number; readonly files: number }
  | {
      readonly kind: "staged";
      readonly rows: number;
      readonly bytes: number;
      readonly seconds: number;
      /** The rows that X-ClickHouse-Summary gave. Missing or wrong behind some proxies; `rows` were counted in the file. */
      readonly reported: number | undefined;
    }
  | { readonly kind: "loaded"; readonly receipt: Receipt };

/** Bytes of a row in a file, before one is written. PostHog's aggregated replay rows take 80 to 200. */
const USUAL_ROW_BYTES = 200;

/** A batch that is read long after its end is read without the lookback's bound, and counts as a sweep. */
function pruneBound(definition: ExportDefinition, interval: Interval, readAt: Date): Date | undefined {
  const age = readAt.getTime() - interval.end.getTime();
  // Without a sweep nothing reads later what the bound leaves out.
  if (!definition.sweep || age >= definition.sweep.afterMs) return undefined;
  return new Date(interval.start.getTime() - definition.lookbackMs);
}

/**
 * 1. Takes the model of the run, or asks the source for it and whether decisive settings hold. Refuses a source that has lost
 *    columns.
 * 2. Decides which sessions to read beyond those of the interval (`alsoChangedSince`), and how far back to scan. Reads the
 *    export's corrections, which are part of `_version`.
 * 3. Asks once for the source's clock, the number of sessions and the watermark: a small interval's time is round trips.
 *    Refuses an interval that has not ended by both clocks. Cuts the sessions into parts, one per file, so that none is split.
 * 4. Hands the destination an iterable of staged files. For each file that the destination pulls, one part is extracted,
 *    written to the stage, counted and hashed; the next part is extracted while the destination uses this one.
 * 5. After the last file, and so before the destination can commit, refuses no rows where sessions were counted.
 * 6. The destination commits all files with the receipt, or nothing. The receipt's rows must be those that were staged.
 * 7. However it ends, the stage and its files are removed.
 *
 * A read may find fewer sessions than an earlier one did. The destination keeps those that it lacks (promise 0 in
 * destinations/destination.ts), and the receipt says how many (`lost`).
 */
export async function loadBatch(
  definition: ExportDefinition,
  interval: Interval,
  options: LoadOptions,
  dependencies: LoadDependencies,
  signal: AbortSignal,
): Promise<Receipt> {
  const { source, destination, now } = dependencies;
  // Before the source is asked, so that nothing is read earlier than the receipt says.
  const began = now();
  const attempt = dependencies.newAttempt();
  const model = await (options.model?.(signal) ?? source.model(definition, signal));
  const ownFingerprint = fingerprint(definition, model.columns);
  await refuseGoneColumns(definition, model, destination, interval, options.covered, signal);
  const changedSince = alsoChangedSince(interval, options.covered);
  const toCount = {
    interval,
    exportedAt: began,
    // Rows that merge take the earliest start. With the bound, a reload might miss sessions that the first load found.
    pruneBefore: changedSince === undefined ? pruneBound(definition, interval, began) : undefined,
    alsoChangedSince: changedSince,
    reread: options.covered.some((one) => overlaps(one.interval, interval)),
    corrections: await readCorrections(destination, signal),
  };
  const purpose = { export: definition.name, interval, limits: definition.limits };
  const asked = now();
  const { row: counted, info } = await source.count(model.count(toCount), purpose, signal);
  const clock = clockBetween(info, asked, now());
  const readAt = agreedNow(clock, definition.settleMs, began);
  if (interval.end > readAt) throw notOver(definition, interval, readAt);
  const read = { ...toCount, exportedAt: readAt, counted };
  const sessions = counted["sessions"] ?? 0;
  const watermark = counted["watermark"];
  const rowsPerFile = Math.min(definition.rowsPerFile, Math.ceil(destination.fileBytes / USUAL_ROW_BYTES));
  const parts = await cutFiles(model, read, sessions, filesFor(sessions, rowsPerFile), source, purpose, signal);
  dependencies.onProgress({ kind: "counted", sessions, files: parts.length });

  // Most intervals of a small export are empty, and making a folder would cost more than all else that they do on this machine.
  await using stage = parts.length > 0 ? await openStage(dependencies.stageRoot, attempt) : undefined;
  let stagedRows = 0;
  async function* stagedFiles(): AsyncGenerator<StagedFile> {
    if (!stage) return;
    // A destination that fails leaves the loop. The extraction that is under way is then aborted.
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
    for await (const file of prefetchOne(staging, leave)) {
      stagedRows += file.rows;
      yield file;
    }
    // After the last file, before the destination can commit.
    if (stagedRows === 0 && sessions > 0 && definition.selection.where.length === 0) {
      throw rowsMissing(batch.id, `${sessions} were counted`);
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
    fingerprint: ownFingerprint,
    readAt,
    // The source's newest row may be newer than its clock, but nothing is known of what comes after it was read.
    watermark: watermark === undefined ? undefined : new Date(Math.min(watermark * 1000, floorToSecond(readAt))),
    sourceVersion: clock.version,
    sourceColumns: model.sourceColumns,
    files: stagedFiles(),
  };
  const receipt = await destination.load(batch, signal);
  if (receipt.rows !== stagedRows) {
    throw new ReplayportError(
      `${batch.id}: ${stagedRows} rows were staged, the destination's receipt says ${receipt.rows}`,
      giveUp("load.rows_differ", "This is a bug in the destination's adapter. Please report it with this message."),
    );
  }
  dependencies.onProgress({ kind: "loaded", receipt });
  return receipt;
}

/** A watermark has whole seconds. */
function floorToSecond(time: Date): number {
  return Math.floor(time.getTime() / 1000) * 1000;
}

function notOver(definition: ExportDefinition, interval: Interval, now: Date): ReplayportError {
  return new ReplayportError(
    `${batchId(definition.name, interval)}: ${describeInterval(interval)} is not over at ${now.toISOString()}`,
    retry(
      "load.not_over",
      "The clock of the machine that asked for it is probably ahead. Set the clocks of all machines with NTP.",
    ),
  );
}

/**
 * A batch that is loaded again finds fewer sessions: some have since moved to a later interval. The reload takes them along, which
 * lets a lake remove the files that it replaces, and know which sessions the source no longer has. Only sessions that were
 * under way at the interval's end, or had late rows, have moved: a few per cent. A first load has none.
 * See docs/adr/0014-a-lake-loses-no-session.md
 */
function alsoChangedSince(interval: Interval, covered: readonly Coverage[]): Date | undefined {
  return covered.some((one) => contains(interval, one.interval)) ? interval.end : undefined;
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
    const { stream, reported } = await dependencies.source.extract(query, format, compression, purpose, signal);
    const columns = model.columns.map(({ name }) => name);
    const file = await stage.add({ stream, format, columns, extension, index: part.index }, signal);
    const { rows, bytes } = file;
    // Nothing in an empty file proves that it's whole. A larger number in the header says that it isn't, or is wrong.
    if (bytes === 0 || rows < (reported ?? 0)) {
      const sql = `SELECT toUInt64(count()) AS counted FROM (\n${query.sql}\n)`;
      const [row] = await dependencies.source.numbers({ sql, parameters: query.parameters }, purpose, signal);
      const counted = row?.["counted"] ?? Number.NaN;
      if (counted !== rows)
        throw rowsMissing(batchId(exportName, read.interval), `${counted} of file ${part.index} were counted`);
    }
    dependencies.onProgress({ kind: "staged", rows, bytes, seconds: (performance.now() - began) / 1000, reported });
    // A part whose sessions all moved or were filtered out gives no file.
    if (file.rows > 0) yield file;
  }
}

/** Starts the next item while the current one is used, never more than one ahead. Aborts `leave` when left early. */
async function* prefetchOne<T>(items: AsyncGenerator<T>, leave: AbortController): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const item = await next;
      if (item.done === true) return;
      next = items.next();
      // Awaited in the next iteration, or below. Until then a rejection must not count as unhandled.
      next.catch(() => undefined);
      yield item.value;
    }
  } finally {
    leave.abort();
    await next.catch(() => undefined);
    await items.return(undefined);
  }
}

/** Passes by itself if another replica answered, or if the source changed in between: the next attempt counts again. */
function rowsMissing(id: string, counted: string): ReplayportError {
  return new ReplayportError(
    `${id}: the source's answer lacks rows: ${counted}, fewer came`,
    retry(
      "load.rows_missing",
      "Replayport reads the batch again. If it keeps failing, a proxy truncates answers, or replicas of the source differ.",
    ),
  );
}
