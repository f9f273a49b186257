/**
 * The key columns of JSON Lines and CSV as ClickHouse writes them. They're read from the data file itself: a file of keys
 * beside it would save the download but not the parsing, and would be one more object that must agree with its data.
 */
import { Readable } from "node:stream";
import type { ColumnType } from "../../src/models/column.ts";
import { decompressor } from "../files/decompressor.ts";
import type { KeyValue } from "./encode.ts";
import type { KeyColumn, KeyFile } from "./shape.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;
const MICROS = /^(?<seconds>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(?<micros>\d{1,6}))?Z?$/;

/** The values of `names` of each row; the array is reused. */
export async function* textRows(file: KeyFile, names: readonly string[]): AsyncIterable<readonly KeyValue[]> {
  const types = [...file.shape.key, ...file.shape.order, ...(file.shape.more ?? [])].filter(
    (column): column is KeyColumn => column !== undefined,
  );
  const bytes = decompressed(file);
  yield* file.format === "csv" ? csvRows(bytes, names, types) : jsonRows(bytes, names, types);
}

function decompressed(file: KeyFile): AsyncIterable<Buffer> {
  async function* chunks(): AsyncIterable<Uint8Array> {
    for (let at = 0; at < file.bytes; at += CHUNK_BYTES) {
      yield await file.read(at, Math.min(file.bytes, at + CHUNK_BYTES));
    }
  }
  const transform = decompressor(file.name);
  const source = Readable.from(chunks(), { objectMode: false });
  if (!transform) return source;
  source.on("error", (error) => transform.destroy(error));
  return source.pipe(transform);
}

async function* jsonRows(
  bytes: AsyncIterable<Buffer>,
  names: readonly string[],
  types: readonly KeyColumn[],
): AsyncIterable<KeyValue[]> {
  // A quote within a text is escaped, so `"name":` after a brace or a comma is a name. Not JSON.parse: it rounds int64.
  const patterns = names.map(
    (name) => new RegExp(`[{,]${escaped(JSON.stringify(name))}:\\s*("(?:[^"\\\\]|\\\\.)*"|[^,}\\]]+)`),
  );
  const row: KeyValue[] = names.map(() => undefined);
  for await (const line of lines(bytes)) {
    if (line === "") continue;
    patterns.forEach((pattern, at) => {
      const token = pattern.exec(line)?.[1];
      if (token === undefined) throw new Error(`a row without ${names[at]}`);
      const text = token.startsWith('"') ? (JSON.parse(token) as string) : token.trim();
      row[at] = text === "null" && token !== '"null"' ? null : valueOf(text, types[at]?.type);
    });
    yield row;
  }
}

/** RFC 4180, NULL as \N without quotes, and a header: what `FORMAT CSVWithNames` gives. */
async function* csvRows(
  bytes: AsyncIterable<Buffer>,
  names: readonly string[],
  types: readonly KeyColumn[],
): AsyncIterable<KeyValue[]> {
  const row: KeyValue[] = names.map(() => undefined);
  let places: number[] | undefined;
  let pending = "";
  for await (const line of lines(bytes)) {
    const record = pending === "" ? line : `${pending}\n${line}`;
    // A line end within quotes belongs to the field.
    if (record.split('"').length % 2 === 0) {
      pending = record;
      continue;
    }
    pending = "";
    if (record === "") continue;
    const fields = csvFields(record);
    if (!places) {
      places = names.map((name) => fields.findIndex(({ text }) => text === name));
      if (places.includes(-1)) throw new Error(`no column ${names[places.indexOf(-1)]}`);
      continue;
    }
    places.forEach((place, at) => {
      const field = fields[place];
      if (!field) throw new Error("a row that is too short");
      row[at] = field.text === "\\N" && !field.quoted ? null : valueOf(field.text, types[at]?.type);
    });
    yield row;
  }
  if (pending !== "") throw new Error("a last row without its end");
}

interface Field {
  readonly text: string;
  readonly quoted: boolean;
}

function csvFields(record: string): Field[] {
  const fields: Field[] = [];
  for (const match of record.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    const [, quoted, plain] = match;
    fields.push(
      quoted === undefined
        ? { text: plain ?? "", quoted: false }
        : { text: quoted.replaceAll('""', '"'), quoted: true },
    );
  }
  return fields;
}

async function* lines(bytes: AsyncIterable<Buffer>): AsyncIterable<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = all.indexOf(10, from); end !== -1; end = all.indexOf(10, from)) {
      yield all.toString("utf8", from, end);
      from = end + 1;
    }
    rest = all.subarray(from);
  }
  if (rest.length > 0) yield rest.toString("utf8");
}

function valueOf(text: string, type: ColumnType | undefined): KeyValue {
  switch (type) {
    case "int64":
      return BigInt(text);
    case "float64":
      return Number(text);
    case "bool":
      return text === "true" || text === "1";
    case "timestamp":
      return microsOf(text);
    case "string":
    case "string[]":
    case "timestamp[]":
    case undefined:
      return Buffer.from(text);
    default:
      return type satisfies never;
  }
}

function microsOf(text: string): bigint {
  const groups = MICROS.exec(text)?.groups;
  if (!groups) throw new Error(`not a time: ${text}`);
  const seconds = Date.parse(`${groups["seconds"]?.replace(" ", "T")}Z`);
  return BigInt(seconds) * 1000n + BigInt((groups["micros"] ?? "0").padEnd(6, "0"));
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
