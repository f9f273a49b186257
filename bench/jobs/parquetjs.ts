/** (c): the same rows as JSON, parsed in JavaScript and written by parquetjs-lite. */
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cutFiles } from "../../src/export/cut_files.ts";
import type { Column, ColumnType } from "../../src/models/column.ts";
import { type Job, type Outcome, neverAborted, open, readOf } from "./job.ts";

interface Field {
  readonly type: string;
  readonly optional?: boolean;
  readonly repeated?: boolean;
  readonly compression: string;
}

/** The slice of parquetjs-lite 0.8 that is used here; it brings no types. */
interface ParquetJs {
  readonly ParquetSchema: new (fields: Record<string, Field>) => object;
  readonly ParquetWriter: {
    openFile(
      schema: object,
      path: string,
    ): Promise<{
      appendRow(row: Record<string, unknown>): Promise<void>;
      close(): Promise<void>;
    }>;
  };
}

const TYPES: Readonly<Record<ColumnType, string>> = {
  string: "UTF8",
  int64: "INT64",
  float64: "DOUBLE",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP_MICROS",
  "string[]": "UTF8",
  "timestamp[]": "TIMESTAMP_MICROS",
};

function fieldOf({ type, nullable }: Column): Field {
  const repeated = type.endsWith("[]");
  // It has no zstd. Snappy is the faster one of the two that it has.
  return { type: TYPES[type], compression: "SNAPPY", ...(repeated ? { repeated } : { optional: nullable }) };
}

export async function parquetJs(job: Job & { readonly kind: "parquetjs" }): Promise<Outcome> {
  const parquet = createRequire(import.meta.url)("parquetjs-lite") as ParquetJs;
  await using opened = await open(job);
  const { definition, source, interval } = opened;
  const model = await source.model(definition, neverAborted);
  const times = model.columns.filter(({ type }) => type === "timestamp").map(({ name }) => name);
  const schema = new parquet.ParquetSchema(Object.fromEntries(model.columns.map((one) => [one.name, fieldOf(one)])));
  const file = join(job.folder, "parquetjs.parquet");

  const began = performance.now();
  const purpose = { export: definition.name, interval, limits: definition.limits };
  const whole = readOf(interval, { index: 0, of: 1 });
  const [counted] = await source.numbers(model.count(whole), purpose, neverAborted);
  const sessions = counted?.["sessions"] ?? 0;
  const [part = whole.part] = await cutFiles(model, whole, sessions, job.share, source, purpose, neverAborted);
  const query = model.rows({ ...whole, part }, "jsonl");
  const { stream } = await source.extract(query, "jsonl", "none", purpose, neverAborted);
  const waited = (performance.now() - began) / 1000;
  const writer = await parquet.ParquetWriter.openFile(schema, file);
  let rows = 0;
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
    const row = JSON.parse(line) as Record<string, unknown>;
    for (const [name, value] of Object.entries(row)) if (value === null) delete row[name];
    for (const name of times) row[name] = Date.parse(String(row[name])) * 1000;
    await writer.appendRow(row);
    rows += 1;
  }
  await writer.close();
  const seconds = (performance.now() - began) / 1000;
  return { seconds, rows, bytes: (await stat(file)).size, batches: 1, each: [], waited };
}
