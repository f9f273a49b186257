/** From measurements to the text that is printed and recorded: tables in Markdown. */
import prettyBytes from "pretty-bytes";
import type { Answer } from "./jobs/job.ts";
import type { Bench } from "./setup.ts";

export interface Measured extends Answer {
  /** Most bytes that the engine's process held; undefined where the platform does not tell. */
  readonly enginePeak?: number;
  /** Core-seconds that the engine spent meanwhile. */
  readonly engineCores?: number;
}

/** The run of the median time. */
export function median(runs: readonly Measured[]): Measured {
  const sorted = runs.toSorted((one, other) => one.seconds - other.seconds);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (!middle) throw new Error("there is nothing to take a median of");
  return middle;
}

const rate = ({ rows, seconds }: Measured): number => rows / seconds;
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const memory = (bytes: number | undefined): string => (bytes === undefined ? "unknown" : prettyBytes(bytes));
const millis = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;

/** Core-seconds of worker and engine: what other work on the machine does not change much. */
export function spent({ cores, engineCores }: Measured): string {
  return engineCores === undefined ? "unknown" : `${cores.toFixed(1)} + ${engineCores.toFixed(1)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, column) => (column === 0 ? "---" : "--:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const LABELS: readonly (readonly [name: string, label: string])[] = [
  ["plain", "(a′) the engine, one plain HTTP request"],
  ["engine", "(a) the engine alone, INSERT INTO FUNCTION file"],
  ["load", "(b) Replayport, one interval to a local lake"],
  ["parquetjs", "(c) parsed in JavaScript, written by parquetjs-lite"],
  ["year", "a year's backfill, a folder for each day (default)"],
  ["year by months", "a year's backfill, a folder for each month"],
];

function throughput(figures: ReadonlyMap<string, Measured>): string {
  const rows = LABELS.flatMap(([name, label]) => {
    const one = figures.get(name);
    if (!one) return [];
    const numbers = [whole(one.rows), one.seconds.toFixed(2), whole(rate(one)), spent(one), prettyBytes(one.bytes)];
    return [[label, whole(one.batches), ...numbers, memory(one.peakBytes), memory(one.enginePeak)]];
  });
  return table(
    [
      "",
      "batches",
      "rows",
      "seconds",
      "rows/s",
      "core-seconds, worker + engine",
      "Parquet",
      "peak of the worker",
      "peak of the engine",
    ],
    rows,
  );
}

function ratios(figures: ReadonlyMap<string, Measured>): string[] {
  const lines: string[] = [];
  const add = (label: string, one: number | undefined, other: number | undefined, aim = ""): void => {
    if (one !== undefined && other !== undefined) lines.push(`- ${label}: **${(one / other).toFixed(2)}**${aim}`);
  };
  const of = (name: string): number | undefined => {
    const one = figures.get(name);
    return one && rate(one);
  };
  const sample = figures.get("parquetjs");
  const inScript = sample?.waited === undefined ? undefined : sample.rows / (sample.seconds - sample.waited);
  add("(b) to (a), rows/s", of("load"), of("engine"), " (aim: 0.85)");
  const coresOf = (name: string): number | undefined => {
    const one = figures.get(name);
    return one?.engineCores === undefined ? undefined : one.cores + one.engineCores;
  };
  const costs = (name: string): number | undefined => {
    const one = figures.get(name);
    return one?.engineCores === undefined ? undefined : one.rows / (one.cores + one.engineCores);
  };
  add("(b) to (a), rows for a core-second", costs("load"), costs("engine"));
  add("(b) to (a′), seconds", figures.get("load")?.seconds, figures.get("plain")?.seconds, " (aim: 0.65)");
  add("(b) to (a′), core-seconds", coresOf("load"), coresOf("plain"), " (aim: 0.65)");
  add("(b) to (c), rows/s, without the time that (c) waits for ClickHouse", of("load"), inScript, " (aim: 10)");
  add("(b) to (c), rows/s, all in all", of("load"), of("parquetjs"));
  add("a year's backfill to (a), rows/s, a folder for each day", of("year"), of("engine"));
  add("a year's backfill to (a), rows/s, a folder for each month", of("year by months"), of("engine"));
  return lines;
}

function intervals(figures: ReadonlyMap<string, Measured>): string {
  const rows = (["empty", "hours"] as const).flatMap((name) => {
    const one = figures.get(name);
    if (!one) return [];
    const sorted = one.each.toSorted((a, b) => a - b);
    const at = (share: number): string => millis(sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN);
    const label = name === "empty" ? "an empty interval" : `an hour of ${whole(one.rows / one.batches)} rows`;
    return [[label, whole(one.batches), millis(one.seconds / one.batches), at(0.5), at(0.95), memory(one.peakBytes)]];
  });
  return rows.length === 0 ? "" : table(["", "intervals", "mean", "median", "95 %", "peak of the worker"], rows);
}

export function report(
  figures: ReadonlyMap<string, Measured>,
  source: Bench["table"],
  machine: string,
  now: Date,
): string {
  const { sessions, rows, parts } = source;
  const taken = `Taken on ${now.toISOString().slice(0, 10)} on ${machine}.`;
  const from = `The table: ${whole(sessions)} sessions of a year in ${whole(rows)} partial rows, ${parts} parts, merges stopped.`;
  const blocks = [taken, from, throughput(figures), ratios(figures).join("\n"), intervals(figures)];
  return blocks.filter((block) => block !== "").join("\n\n");
}
