/**
 * (a): the engine alone. The same SELECT and settings as Replayport's, and ClickHouse writes the file itself.
 * (a′): the SELECT that finds its sessions by IN, as a person would write it, with ClickHouse's own settings, in one HTTP request.
 */
import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Parameter } from "../../src/models/model.ts";
import { formatSettings, limitSettings } from "../../src/clickhouse/settings.ts";
import { type Job, type Outcome, neverAborted, open, readOf } from "./job.ts";

export async function engineAlone(job: Job): Promise<Outcome> {
  await using opened = await open(job);
  const { definition, source, interval } = opened;
  const model = await source.model(definition, neverAborted);
  const read = readOf(interval, { index: 0, of: 1 });
  const purpose = { export: definition.name, interval, limits: definition.limits };
  const file = join(job.folder, "engine.parquet");
  const began = performance.now();
  const [counted] = await source.numbers(model.count(read), purpose, neverAborted);
  const { sql, parameters } = model.rows({ ...read, counted }, "parquet");
  const { version } = await source.info(neverAborted);
  const settings = {
    ...limitSettings(definition.limits),
    ...formatSettings("parquet", definition.compression, version),
  };
  await statement(job.url, `INSERT INTO FUNCTION file('${file}', 'Parquet')\n${sql}`, parameters, settings);
  return await outcome(job, file, began);
}

export async function plainRequest(job: Job): Promise<Outcome> {
  await using opened = await open(job);
  const { definition, source, interval } = opened;
  const model = await source.model(definition, neverAborted);
  const { sql, parameters } = model.rows(readOf(interval, { index: 0, of: 1 }), "parquet");
  const file = join(job.folder, "plain.parquet");
  const began = performance.now();
  const response = await request(job.url, `${sql}\nFORMAT Parquet`, parameters, {});
  if (response.body) await pipeline(Readable.fromWeb(response.body), createWriteStream(file));
  return await outcome(job, file, began);
}

async function outcome(job: Job, file: string, began: number): Promise<Outcome> {
  const seconds = (performance.now() - began) / 1000;
  const count = `SELECT count() FROM file('${file}', 'Parquet') FORMAT TabSeparated`;
  const rows = Number(await statement(job.url, count, {}, {}));
  return { seconds, rows, bytes: (await stat(file)).size, batches: 1, each: [] };
}

async function statement(...args: Parameters<typeof request>): Promise<string> {
  return await (await request(...args)).text();
}

async function request(
  url: string,
  body: string,
  parameters: Readonly<Record<string, Parameter>>,
  settings: object,
): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) query.set(`param_${name}`, String(value));
  for (const [name, value] of Object.entries(settings)) query.set(name, String(value));
  const response = await fetch(`${url}/?${query.toString()}`, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response;
}
