/** Shows batches being loaded: a bar on a terminal, a log line for each elsewhere; and sums them up at the end. */
import { Presets, SingleBar } from "cli-progress";
import type { ExportDefinition } from "../export/definition.ts";
import type { RunEvent, RunResult } from "../export/run_intervals.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit_codes.ts";
import { errorFields } from "./log.ts";
import { bytes, count, plural, printJson, printLine, formatDuration } from "./output.ts";

export interface LoadReport extends Disposable {
  readonly onEvent: (event: RunEvent) => void;
}

const edges = (interval: Interval): { start: string; end: string } => ({
  start: interval.start.toISOString(),
  end: interval.end.toISOString(),
});

export function reportLoading(
  context: Context,
  definition: ExportDefinition,
  total: number,
  quiet: boolean,
): LoadReport {
  const { log, cli } = context;
  const bar =
    cli.stderr.isTTY === true && !quiet && total > 1 ? startBar(cli.stderr, definition.name, total) : undefined;
  let rows = 0;
  let size = 0;
  const say = (write: () => void): void => {
    if (bar) cli.stderr.write("\r\u001B[K");
    write();
    bar?.render();
  };
  return {
    onEvent: (event) => {
      const fields = { export: definition.name, ...edges(event.interval) };
      switch (event.kind) {
        case "started":
          log.debug(fields, "loading");
          break;
        case "loaded": {
          const { receipt, seconds } = event;
          rows += receipt.rows;
          size += receipt.bytes;
          bar?.increment(1, { rows: count(rows), bytes: bytes(size) });
          const line = {
            ...fields,
            rows: receipt.rows,
            bytes: receipt.bytes,
            files: receipt.files,
            seconds: round(seconds),
          };
          if (bar) log.debug(line, "loaded");
          else log.info(line, "loaded");
          break;
        }
        case "retrying":
          say(() => {
            const { attempt, delayMs } = event;
            log.warn({ ...fields, attempt, delayMs, ...errorFields(event.error) }, "will try again");
          });
          break;
        case "failed":
          say(() => log.error({ ...fields, ...errorFields(event.error) }, "not loaded"));
          break;
        default:
          event satisfies never;
      }
    },
    [Symbol.dispose]: () => bar?.stop(),
  };
}

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

export interface ExportResult extends RunResult {
  readonly export: string;
  readonly seconds: number;
}

/** The end of `run` and `backfill`: the sum on stdout, and the exit code. @param nothing says that there was nothing to do */
export function printSummary(context: Context, results: readonly ExportResult[], nothing: string, json: boolean): void {
  const { cli } = context;
  if (results.some(({ failures }) => failures.length > 0)) cli.setExitCode(EXIT.failed);
  if (json) {
    printJson(
      cli.stdout,
      results.map((result) => ({
        export: result.export,
        seconds: round(result.seconds),
        loaded: result.receipts.map((receipt) => ({
          ...edges(receipt.interval),
          rows: receipt.rows,
          bytes: receipt.bytes,
          files: receipt.files,
        })),
        failed: result.failures.map(({ interval, error }) => ({ ...edges(interval), ...redacted(context, error) })),
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

function redacted(context: Context, error: unknown): Record<string, unknown> {
  const text = context.cli.redactor.apply(JSON.stringify(errorFields(error)));
  return JSON.parse(text) as Record<string, unknown>;
}
