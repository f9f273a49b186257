/** (a): the engine alone. The same SELECT and settings, and ClickHouse writes the file itself. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Parameter } from "../../src/models/model.ts";
import { formatSettings, limitSettings } from "../../src/clickhouse/settings.ts";
import { type Job, type Outcome, neverAborted, open, readOf } from "./job.ts";

export async function engineAlone(job: Job): Promise<Outcome> {
  await using opened = await open(job);
  const { definition, source, interval } = opened;
  const model = await source.model(definition, neverAborted);
  const { sql, parameters } = model.rows(readOf(interval, { index: 0, of: 1 }), "parquet");
  const file = join(job.folder, "engine.parquet");
  const began = performance.now();
  const { version } = await source.info(neverAborted);
  const settings = {
    ...limitSettings(definition.limits),
    ...formatSettings("parquet", definition.compression, version),
  };
  await statement(job.url, `INSERT INTO FUNCTION file('${file}', 'Parquet')\n${sql}`, parameters, settings);
  const seconds = (performance.now() - began) / 1000;
  const rows = Number(
    await statement(job.url, `SELECT count() FROM file('${file}', 'Parquet') FORMAT TabSeparated`, {}, {}),
  );
  return { seconds, rows, bytes: (await stat(file)).size, batches: 1, each: [] };
}

async function statement(
  url: string,
  body: string,
  parameters: Readonly<Record<string, Parameter>>,
  settings: object,
): Promise<string> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) query.set(`param_${name}`, String(value));
  for (const [name, value] of Object.entries(settings)) query.set(name, String(value));
  const response = await fetch(`${url}/?${query.toString()}`, { method: "POST", body });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}
