/**
 * Loads intervals for `run` and `backfill`, and reports it: a progress bar on a terminal, otherwise a log line per batch,
 * and a summary at the end.
 */
import { Presets, SingleBar } from "cli-progress";
import type { Coverage, Receipt } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { type RunEvent, type RunResult, runIntervals } from "../export/run_intervals.ts";
import type { Interval } from "../intervals/interval.ts";
import { BATCH_RETRY } from "../retry.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit_codes.ts";
import { errorFields, redactedFields } from "./log.ts";
import { bytes, count, plural, printJson, printLine, formatDuration } from "./output.ts";

export const SILENT =
  "an export that is usually busy reads no rows: is PostHog's ingestion running, or its replica behind?";

export const LOST = "the source lacks sessions that the destination keeps";

export interface ExportResult extends RunResult {
  readonly export: string;
  readonly seconds: number;
}

export interface Load {
  readonly intervals: readonly Interval[];
  readonly covered: readonly Coverage[];
  readonly concurrency: number;
  /** No progress bar. */
  readonly quiet: boolean;
}

export async function loadIntervals(
  context: Context,
  definition: ExportDefinition,
  { intervals, quiet, ...load }: Load,
): Promise<ExportResult> {
  const { stderr, signal } = context.cli;
  const began = performance.now();
  const showBar = stderr.isTTY === true && !quiet && intervals.length > 1;
  const bar = showBar ? startBar(stderr, definition.name, intervals.length) : undefined;
  try {
    const result = await runIntervals(
      definition,
      intervals,
      { ...load, retry: BATCH_RETRY },
      await context.loading(definition),
      reporter(context, definition, bar),
      signal,
    );
    return { export: definition.name, ...result, seconds: (performance.now() - began) / 1000 };
  } finally {
    bar?.stop();
  }
}

function reporter({ log, cli }: Context, definition: ExportDefinition, bar: Bar | undefined) {
  let rows = 0;
  let size = 0;
  /** Writes a line above the bar. */
  const aboveBar = (write: () => void): void => {
    if (bar) cli.stderr.write("\r\u001B[K");
    write();
    bar?.render();
  };
  return (event: RunEvent): void => {
    const fields = { export: definition.name, ...edges(event.interval) };
    switch (event.kind) {
      case "started":
        log.debug(fields, "loading");
        break;
      case "loaded": {
        rows += event.receipt.rows;
        size += event.receipt.bytes;
        bar?.increment(1, { rows: count(rows), bytes: bytes(size) });
        const line = { ...fields, ...summaryOf(event.receipt), seconds: round(event.seconds) };
        log[bar ? "debug" : "info"](line, "loaded");
        const { lost } = event.receipt;
        if (lost !== undefined) {
          aboveBar(() => log.warn({ ...fields, sessions: lost }, LOST));
        }
        break;
      }
      case "retrying": {
        const { attempt, delayMs, error } = event;
        aboveBar(() => log.warn({ ...fields, attempt, delayMs, ...errorFields(error) }, "will try again"));
        break;
      }
      case "failed":
        aboveBar(() => log.error({ ...fields, ...errorFields(event.error) }, "not loaded"));
        break;
      default:
        event satisfies never;
    }
  };
}

const edges = ({ start, end }: Interval) => ({ start: start.toISOString(), end: end.toISOString() });
const summaryOf = ({ interval, rows, bytes: size, files }: Receipt) => ({
  ...edges(interval),
  rows,
  bytes: size,
  files,
});

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

type Bar = SingleBar & { render(): void };

function startBar(stream: NodeJS.WritableStream, name: string, total: number): Bar {
  const format = `${name} {bar} {value}/{total} intervals | {rows} rows | {bytes} | {eta_formatted} left`;
  // The types leave out `render`, which the class has.
  const bar = new SingleBar({ format, stream, hideCursor: true, clearOnComplete: true }, Presets.shades_grey) as Bar;
  bar.start(total, 0, { rows: 0, bytes: bytes(0) });
  return bar;
}

/**
 * Ends `run` and `backfill`: prints a summary, and sets the exit code.
 * @param nothing what to print if there was nothing to load
 */
export function printSummary(context: Context, results: readonly ExportResult[], nothing: string, json: boolean): void {
  const { cli } = context;
  if (results.some(({ failures }) => failures.length > 0)) cli.setExitCode(EXIT.failed);
  if (json) {
    printJson(
      cli.stdout,
      results.map((result) => ({
        export: result.export,
        seconds: round(result.seconds),
        loaded: result.receipts.map(summaryOf),
        failed: result.failures.map(({ interval, error }) => ({
          ...edges(interval),
          ...redactedFields(errorFields(error), cli.redactor),
        })),
      })),
    );
    return;
  }
  for (const { export: name, receipts, failures, seconds } of results) {
    if (receipts.length === 0 && failures.length === 0) {
      printLine(cli.stdout, `${name}: ${nothing}`);
      continue;
    }
    const rows = receipts.reduce((sum, receipt) => sum + receipt.rows, 0);
    const size = receipts.reduce((sum, receipt) => sum + receipt.bytes, 0);
    const failed = failures.length > 0 ? `, ${plural(failures.length, "interval")} failed` : "";
    const what = `${plural(receipts.length, "interval")} loaded, ${plural(rows, "row")}, ${bytes(size)}`;
    printLine(cli.stdout, `${name}: ${what} in ${formatDuration(seconds)}${failed}`);
  }
}
