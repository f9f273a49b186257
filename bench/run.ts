/**
 * `npm run bench`: fills an embedded ClickHouse with a year of sessions, takes each figure in a process of its own, prints
 * them, and writes them to RESULTS.md. Options: --sessions 1000000, --repeats 3, --only plain,engine,load,parquetjs,empty,hours,year,
 * sweep,fleet,iceberg, --rows-per-file, --no-record.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { icebergServer } from "../test/support/iceberg.ts";
import { ask } from "./ask.ts";
import { measureFleet } from "./fleet.ts";
import type { Answer, IcebergJob, Job } from "./jobs/job.ts";
import { coreSeconds, describeMachine, peakMemory, resetPeak } from "./machine.ts";
import { type Measured, median, report, spent } from "./report.ts";
import { record } from "./results.ts";
import { type Bench, FROM, UNTIL, setUp } from "./setup.ts";

const LOADS = ["plain", "engine", "load", "parquetjs", "empty", "hours", "year"] as const;
const ALL = [...LOADS, "sweep", "fleet", "iceberg"] as const;
const HOURS = 1_000;
const EMPTY = 50;
/** parquetjs-lite gets a fifth of the sessions: its rate does not depend on their number, its time does. */
const SHARE = 5;
/** Of the day that is loaded by its hours into an Iceberg table. */
const DAY_SESSIONS = 100_000;

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "1000000" },
    repeats: { type: "string", default: "3" },
    only: { type: "string", default: ALL.join(",") },
    "rows-per-file": { type: "string" },
    record: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const { "rows-per-file": rowsPerFile } = values;
const wanted = new Set(values.only.split(","));
const unknown = [...wanted].filter((name) => !ALL.some((one) => one === name));
if (unknown.length > 0) throw new Error(`--only takes ${ALL.join(", ")}; not ${unknown.join(", ")}`);

const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort(new Error("stopped by SIGINT")));
const { signal } = interruption;

type Task = Job extends infer One
  ? One extends Job
    ? Omit<One, "config" | "url" | "folder" | "from" | "until"> & { readonly from?: Date; readonly until?: Date }
    : never
  : never;

async function measure(bench: Bench, task: Task): Promise<Measured> {
  const folder = join(bench.root, "out", task.kind);
  await mkdir(folder, { recursive: true });
  const { from = FROM, until = UNTIL, ...rest } = task;
  const place = { config: bench.config, url: bench.engine.url, folder };
  const job = { ...rest, ...place, from: from.toISOString(), until: until.toISOString() } as Job;
  const { pid } = bench.engine;
  await resetPeak(pid);
  const before = await coreSeconds(pid);
  const answer = await ask<Answer>("worker.ts", job, signal);
  const enginePeak = await peakMemory(pid);
  const after = await coreSeconds(pid);
  await rm(folder, { recursive: true, force: true });
  const measured: Measured = {
    ...(before === undefined || after === undefined ? {} : { engineCores: after - before }),
    ...answer,
    ...(enginePeak === undefined ? {} : { enginePeak }),
  };
  const rate = `${Math.round(measured.rows / measured.seconds)} rows/s`;
  console.error(
    `  ${task.kind}: ${measured.rows} rows in ${measured.seconds.toFixed(2)} s, ${rate}, ${spent(measured)}`,
  );
  return measured;
}

/** The engine and Replayport take turns, so that what else the machine does meets both; a round before them warms up. */
async function sideBySide(bench: Bench, tasks: readonly Task[], repeats: number): Promise<Measured[]> {
  const rounds: Measured[][] = [];
  for (let round = 0; round <= repeats; round += 1) {
    const measured = [];
    for (const task of tasks) measured.push(await measure(bench, task));
    if (round > 0) rounds.push(measured);
  }
  return tasks.map((_, index) => median(rounds.flatMap((round) => round[index] ?? [])));
}

async function measureLoads(): Promise<string> {
  console.error("filling the table …");
  await using bench = await setUp(
    Number(values.sessions),
    rowsPerFile === undefined ? undefined : Number(rowsPerFile),
    signal,
  );
  console.error(`  ${bench.table.sessions} sessions in ${bench.table.rows} rows, ${bench.table.parts} parts`);

  const figures = new Map<string, Measured>();
  const compared = (["plain", "engine", "load"] as const).filter((kind) => wanted.has(kind));
  const results = await sideBySide(
    bench,
    compared.map((kind) => ({ kind })),
    compared.length > 0 ? Number(values.repeats) : -1,
  );
  for (const [index, kind] of compared.entries()) {
    const result = results[index];
    if (result) figures.set(kind, result);
  }
  const take = async (name: string, task: Task): Promise<void> => {
    figures.set(name, await measure(bench, task));
  };
  const hoursFrom = new Date("2026-03-02T00:00:00Z");
  if (wanted.has("parquetjs")) await take("parquetjs", { kind: "parquetjs", share: SHARE });
  if (wanted.has("empty")) await take("empty", { kind: "hours", count: EMPTY, from: new Date("2025-01-01T00:00:00Z") });
  if (wanted.has("hours")) await take("hours", { kind: "hours", count: HOURS, from: hoursFrom });
  if (wanted.has("year")) {
    await take("year", { kind: "backfill", export: "replays" });
    await take("year by months", { kind: "backfill", export: "replays_by_month" });
  }

  return report(figures, bench.table, describeMachine(bench.version), new Date());
}

async function measureSweep(): Promise<string> {
  console.error("filling a table with the sessions of one day …");
  const from = new Date("2026-03-02T00:00:00Z");
  const until = new Date(from.getTime() + 24 * 3_600_000);
  await using bench = await setUp(Number(values.sessions), undefined, signal, { from, until });
  const task: Task = { kind: "sweep", engine: bench.engine.pid, from, until };
  const [measured] = await sideBySide(bench, [task], Number(values.repeats));
  if (!measured) return "";
  const { rows, seconds } = measured;
  const each = `${spent(measured)} core-seconds, worker + engine`;
  return `- the sweep of a day of ${rows.toLocaleString("en-US")} sessions over the files of its 24 hours: ${seconds.toFixed(1)} s, **${each}**`;
}

/** Needs SeaweedFS, which the tests install. */
async function measureIceberg(): Promise<string> {
  const server = await icebergServer();
  if ("skip" in server) return `Iceberg was not measured: ${server.skip}.`;
  await using _server = server.server;
  const { bucket: _, ...storage } = server.storage;
  const task = (hourly: boolean): Omit<IcebergJob, "config" | "url" | "folder" | "from" | "until"> => {
    const namespace = [`bench_${randomBytes(4).toString("hex")}`];
    const options = { type: "iceberg", catalog: server.options("oauth2"), namespace, storage } as const;
    return { kind: "iceberg", hourly, options };
  };
  const lines: string[] = [];
  const from = new Date("2026-03-02T00:00:00Z");
  const until = new Date(from.getTime() + 24 * 3_600_000);
  {
    console.error("filling a table with the sessions of one day …");
    await using bench = await setUp(DAY_SESSIONS, undefined, signal, { from, until });
    const perfect = await measure(bench, { ...task(false), from, until });
    const hourly = await measure(bench, { ...task(true), from, until });
    const ratio = (hourly.written ?? 0) / (perfect.written ?? 1);
    const commits = hourly.each.toSorted((a, b) => a - b);
    const middle = commits[Math.floor(commits.length / 2)] ?? 0;
    lines.push(
      `- Iceberg, a day of ${DAY_SESSIONS.toLocaleString("en-US")} sessions by its hours and its sweep: bytes written to those of one load: **${ratio.toFixed(2)}** (aim: at most 3), ` +
        `${(hourly.seconds / hourly.batches).toFixed(2)} s a load, ${middle.toFixed(0)} ms for the request of a commit`,
    );
  }
  console.error("filling the table …");
  await using bench = await setUp(Number(values.sessions), undefined, signal);
  const [engine, table] = await sideBySide(bench, [{ kind: "engine" }, task(false)], Number(values.repeats));
  if (engine && table) {
    const rate = table.rows / table.seconds / (engine.rows / engine.seconds);
    const rows = table.rows.toLocaleString("en-US");
    lines.push(
      `- Iceberg, ${rows} sessions in one load, to the engine alone, rows/s: **${rate.toFixed(2)}** (aim: 0.8), ${spent(table)} core-seconds, worker + engine`,
    );
  }
  return lines.join("\n");
}

const texts: string[] = [];
if (LOADS.some((one) => wanted.has(one))) texts.push(await measureLoads());
if (wanted.has("sweep")) texts.push(await measureSweep());
if (wanted.has("iceberg")) texts.push(await measureIceberg());
if (wanted.has("fleet")) texts.push(await measureFleet(signal));
const text = texts.join("\n\n");
console.log(text);
if (values.record) await record(text);
