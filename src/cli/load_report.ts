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
import { errorFields } from "./log.ts";
import {
  bytes,
  count,
  formatDuration,
  painter,
  plural,
  printJson,
  printLine,
  printPainted,
  widthOf,
} from "./output.ts";
import { printable } from "../text.ts";
import { fleetError } from "../fleet/fleet_error.ts";
import { failedRun, loadedRun } from "./run_of.ts";

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
  /** How to load the rest after Ctrl-C. */
  readonly rest: string;
}

export async function loadIntervals(
  context: Context,
  definition: ExportDefinition,
  { intervals, quiet, rest, ...load }: Load,
): Promise<ExportResult> {
  const { stderr, signal } = context.cli;
  const began = performance.now();
  const showBar = stderr.isTTY === true && !quiet && intervals.length > 1;
  using bar = showBar ? startBar(stderr, definition.name, intervals.length) : undefined;
  const done: Receipt[] = [];
  const report = reporter(context, definition, bar);
  try {
    const result = await runIntervals(
      definition,
      intervals,
      { ...load, retry: BATCH_RETRY },
      await context.loading(definition),
      (event) => {
        if (event.kind === "loaded") done.push(event.receipt);
        report(event);
      },
      signal,
    );
    return { export: definition.name, ...result, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (signal.aborted) {
      const loaded = `${count(done.length)} of ${plural(intervals.length, "interval")} loaded, ${amountOf(done)}`;
      const write = (): void => printLine(stderr, `${definition.name}: ${loaded}. ${rest}`);
      if (bar) bar.above(write);
      else write();
    }
    throw error;
  }
}

const amountOf = (receipts: readonly Receipt[]): string => {
  const sum = (of: (one: Receipt) => number): number => receipts.reduce((total, one) => total + of(one), 0);
  return `${plural(
    sum(({ rows }) => rows),
    "row",
  )}, ${bytes(sum((one) => one.bytes))}`;
};

function reporter({ log }: Context, definition: ExportDefinition, bar: Bar | undefined) {
  const aboveBar = (write: () => void): void => (bar ? bar.above(write) : write());
  return (event: RunEvent): void => {
    const fields = { export: definition.name, ...edges(event.interval) };
    switch (event.kind) {
      case "started":
        log.debug(fields, "loading");
        break;
      case "loaded": {
        bar?.add(event.receipt);
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

interface Bar extends Disposable {
  add(receipt: Receipt): void;
  /** Takes the bar away while lines are written, since it hides what is wider than the terminal and moves the cursor. */
  above(write: () => void): void;
}

/** What the line has besides the bar, at most. */
const BESIDE_BAR = 62;

function startBar(stream: NodeJS.WritableStream, name: string, total: number): Bar {
  const barsize = Math.min(40, Math.max(8, (widthOf(stream) ?? 80) - name.length - BESIDE_BAR));
  const format = `${name} {bar} {value}/{total} intervals | {rows} rows | {bytes} | {eta_formatted} left`;
  const options = { format, barsize, stream, hideCursor: true, clearOnComplete: true };
  const bar = new SingleBar(options, Presets.shades_grey);
  const loaded = { intervals: 0, rows: 0, bytes: 0 };
  const payload = () => ({ rows: count(loaded.rows), bytes: bytes(loaded.bytes) });
  bar.start(total, 0, payload());
  return {
    add: ({ rows, bytes: size }) => {
      loaded.intervals += 1;
      loaded.rows += rows;
      loaded.bytes += size;
      bar.update(loaded.intervals, payload());
    },
    above: (write) => {
      bar.stop();
      write();
      bar.start(total, loaded.intervals, payload());
    },
    [Symbol.dispose]: () => bar.stop(),
  };
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
        loaded: result.receipts.map(loadedRun),
        failed: result.failures.map(({ interval, error }) =>
          failedRun(
            result.export,
            interval,
            fleetError(error, cli.now(), (text) => cli.redactor.message(text)),
          ),
        ),
      })),
    );
    return;
  }
  const paint = painter(cli.stdout, cli.env);
  for (const { export: name, receipts, failures, seconds } of results) {
    if (receipts.length === 0 && failures.length === 0) {
      printLine(cli.stdout, `${name}: ${nothing}`);
      continue;
    }
    const failed = failures.length > 0 ? `, ${paint("red", `${plural(failures.length, "interval")} failed`)}` : "";
    const what = `${plural(receipts.length, "interval")} loaded, ${amountOf(receipts)}`;
    const done = `${what} in ${formatDuration(seconds)}`;
    const shown = failures.length === 0 ? paint("green", done) : printable(done);
    printPainted(cli.stdout, `${printable(name)}: ${shown}${failed}`);
  }
}
