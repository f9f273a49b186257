/**
 * Reads columns of a Parquet file as bytes and places in them, without an object for each value: a sweep reads the keys of
 * millions of rows. Only what ClickHouse writes for our keys: required columns of text and int64, plain or by dictionary.
 */
import { parquetMetadataAsync } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { COMPRESSORS } from "./compressors.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/**
 * The values of some rows. Text: the bytes from `starts` to `ends` of the row's page. Numbers: two words each, the lower
 * first, `stride` words apart: 0 if all are the same.
 */
export type FlatColumn =
  | {
      readonly kind: "text";
      readonly pages: readonly Uint8Array[];
      /** Of each row, which of the pages has it. */
      readonly page: Uint16Array;
      readonly starts: Int32Array;
      readonly ends: Int32Array;
    }
  | { readonly kind: "number"; readonly words: Int32Array; readonly stride: number };

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;
type Chunk = NonNullable<Metadata["row_groups"][number]["columns"][number]["meta_data"]>;

/** The rows in order, one row group at a time; undefined where a column is stored in another way. */
export async function flatColumns(
  file: RangeReader,
  names: readonly string[],
): Promise<AsyncIterable<{ readonly rows: number; readonly columns: readonly FlatColumn[] }> | undefined> {
  const metadata = await parquetMetadataAsync(asyncBuffer(file));
  const elements = names.map((name) => metadata.schema.find((one) => one.name === name));
  const flat = elements.every(
    (one) =>
      one?.repetition_type === "REQUIRED" && (one.type === "BYTE_ARRAY" || (one.type === "INT64" && isPlainUnit(one))),
  );
  const groups = metadata.row_groups.map(({ columns, num_rows: rows }) => ({
    rows: Number(rows),
    chunks: names.map((name) => chunkOf(columns, name)),
  }));
  const known = groups.every(({ chunks }) =>
    chunks.every((chunk) => chunk?.encodings.every((one) => ENCODINGS.has(one))),
  );
  if (!flat || !known) return undefined;
  return (async function* () {
    for (const { rows, chunks } of groups) {
      yield { rows, columns: await Promise.all(chunks.map((chunk) => readChunk(file, rows, chunk as Chunk))) };
    }
  })();
}

const ENCODINGS: ReadonlySet<string> = new Set(["PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"]);

/** Int64 as it is, and times in microseconds: others would have to be converted. */
function isPlainUnit({ logical_type: logical, converted_type: converted }: Metadata["schema"][number]): boolean {
  if (logical?.type === "TIMESTAMP") return logical.unit === "MICROS";
  return converted === undefined || converted === "INT_64" || converted === "TIMESTAMP_MICROS";
}

function chunkOf(columns: Metadata["row_groups"][number]["columns"], name: string): Chunk | undefined {
  return columns.find((one) => one.meta_data?.path_in_schema.join(".") === name)?.meta_data;
}

interface Page {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly dictionary: boolean;
}

async function readChunk(file: RangeReader, rows: number, chunk: Chunk): Promise<FlatColumn> {
  const start = Number(chunk.dictionary_page_offset ?? chunk.data_page_offset);
  const bytes = await file.read(start, start + Number(chunk.total_compressed_size));
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  if (Number(chunk.num_values) !== rows)
    throw new Error(`${chunk.path_in_schema[0]} has another number of values than rows`);
  let dictionary: Page | undefined;
  const pages: Page[] = [];
  let read = 0;
  while (read < rows) {
    const header = parquetHeader(reader);
    const from = reader.offset;
    reader.offset += header.compressed_page_size;
    const data = header.data_page_header;
    const count = data?.num_values ?? header.dictionary_page_header?.num_values;
    if (count === undefined || header.data_page_header_v2)
      throw new Error(`a ${header.type} in ${chunk.path_in_schema[0]}`);
    const compressed = bytes.subarray(from, reader.offset);
    const page = decompressPage(compressed, header.uncompressed_page_size, chunk.codec, COMPRESSORS);
    if (!data) {
      dictionary = { bytes: page, count, dictionary: false };
      continue;
    }
    pages.push({ bytes: page, count, dictionary: data.encoding !== "PLAIN" });
    read += count;
  }
  return chunk.type === "INT64" ? numbers(pages, dictionary, rows) : texts(pages, dictionary, rows);
}

/** Which entry of the dictionary each value of the page is. */
function indexesOf({ bytes, count }: Page): Int32Array {
  const indexes = new Int32Array(count);
  const width = bytes[0] ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width > 0) readRleBitPackedHybrid({ view, offset: 1 }, width, indexes as never, bytes.length - 1);
  return indexes;
}

function numbers(pages: readonly Page[], dictionary: Page | undefined, rows: number): FlatColumn {
  const entries = dictionary && wordsOf(dictionary);
  if (entries?.length === 2 && pages.every((page) => page.dictionary))
    return { kind: "number", words: entries, stride: 0 };
  const words = new Int32Array(rows * 2);
  let to = 0;
  for (const page of pages) {
    if (!page.dictionary) words.set(wordsOf(page), to);
    else {
      const indexes = indexesOf(page);
      for (let at = 0; at < indexes.length; at += 1) {
        const index = (indexes[at] ?? 0) * 2;
        words[to + at * 2] = entries?.[index] ?? 0;
        words[to + at * 2 + 1] = entries?.[index + 1] ?? 0;
      }
    }
    to += page.count * 2;
  }
  return { kind: "number", words, stride: 2 };
}

function wordsOf({ bytes, count }: Page): Int32Array {
  if (bytes.length < count * 8) throw new Error("a page that is too short");
  // A copy where the bytes don't begin at a multiple of four.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, count * 2);
}

/** Pages stay as they are: joining them would copy all of the column. */
function texts(pages: readonly Page[], dictionary: Page | undefined, rows: number): FlatColumn {
  const starts = new Int32Array(rows);
  const ends = new Int32Array(rows);
  const page = new Uint16Array(rows);
  const entries = { starts: new Int32Array(dictionary?.count ?? 0), ends: new Int32Array(dictionary?.count ?? 0) };
  if (dictionary) places(dictionary, entries.starts, entries.ends, 0);
  // The dictionary comes last.
  const bytes = [...pages, ...(dictionary ? [dictionary] : [])].map((one) => one.bytes);
  if (bytes.length > 0xffff) throw new Error("a column of too many pages");
  let to = 0;
  for (const [index, one] of pages.entries()) {
    page.fill(one.dictionary ? pages.length : index, to, to + one.count);
    if (!one.dictionary) places(one, starts, ends, to);
    else {
      indexesOf(one).forEach((entry, at) => {
        starts[to + at] = entries.starts[entry] ?? 0;
        ends[to + at] = entries.ends[entry] ?? 0;
      });
    }
    to += one.count;
  }
  return { kind: "text", pages: bytes, page, starts, ends };
}

/** Where plain texts, each after its length, begin and end in their page. */
function places({ bytes, count }: Page, starts: Int32Array, ends: Int32Array, to: number): void {
  let at = 0;
  for (let value = 0; value < count; value += 1) {
    const length =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    at += 4;
    starts[to + value] = at;
    at += length;
    ends[to + value] = at;
    if (length < 0 || at > bytes.length) throw new Error("a text that is longer than its page");
  }
}
