/**
 * Reads columns of a Parquet file as bytes and places in them, without an object for each value: a sweep reads the keys of
 * millions of rows. Only what ClickHouse writes for our keys: required columns of text and int64, plain or by dictionary.
 *
 * Page by page: of each column, one page is in memory and a few megabytes of the file, however large the row groups are.
 */
import { parquetMetadataAsync } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { COMPRESSORS } from "./compressors.ts";
import { asyncBuffer, type RangeReader } from "./range_reader.ts";

/**
 * The values of some rows. Text: the bytes from `starts` to `ends`. Numbers: two words each, the lower first, `stride` words
 * apart: 0 if all are the same.
 */
export type FlatColumn =
  | {
      readonly kind: "text";
      readonly bytes: Uint8Array;
      readonly starts: Int32Array;
      readonly ends: Int32Array;
    }
  | { readonly kind: "number"; readonly words: Int32Array; readonly stride: number };

type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;
type Chunk = NonNullable<Metadata["row_groups"][number]["columns"][number]["meta_data"]>;

/** What is read of a column at once, at least. An object's store answers a request for each. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** A page's header is shorter: it has the least and the greatest value. */
const HEADER_BYTES = 256 * 1024;

/**
 * The rows in order, as many at a time as lie in one page of each column; undefined where a column is stored in another way.
 * The values hold until the next rows are asked for.
 */
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
    for (const { rows, chunks } of groups) yield* readGroup(file, rows, chunks as readonly Chunk[]);
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

async function* readGroup(
  file: RangeReader,
  rows: number,
  chunks: readonly Chunk[],
): AsyncIterable<{ readonly rows: number; readonly columns: readonly FlatColumn[] }> {
  const columns = chunks.map((chunk) => {
    const name = chunk.path_in_schema[0];
    if (Number(chunk.num_values) !== rows) throw new Error(`${name} has another number of values than rows`);
    return { name, pages: pagesOf(file, chunk), decode: decoder(chunk), values: EMPTY, left: 0, at: 0 };
  });
  for (let read = 0; read < rows;) {
    for (const column of columns) {
      while (column.left === 0) {
        const page = await column.pages.next();
        if (page.done === true) throw new Error(`${column.name} has fewer values than rows`);
        column.values = column.decode(page.value);
        column.left = page.value.encoding === "dictionary" ? 0 : page.value.count;
        column.at = 0;
      }
    }
    const some = Math.min(rows - read, ...columns.map(({ left }) => left));
    yield { rows: some, columns: columns.map(({ values, at }) => slice(values, at, at + some)) };
    for (const column of columns) {
      column.left -= some;
      column.at += some;
    }
    read += some;
  }
}

const EMPTY: FlatColumn = { kind: "number", words: new Int32Array(0), stride: 0 };

function slice(column: FlatColumn, from: number, to: number): FlatColumn {
  if (column.kind === "text")
    return { ...column, starts: column.starts.subarray(from, to), ends: column.ends.subarray(from, to) };
  return column.stride === 0 ? column : { ...column, words: column.words.subarray(from * 2, to * 2) };
}

interface Page {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly encoding: "plain" | "indexes" | "dictionary";
}

async function* pagesOf(file: RangeReader, chunk: Chunk): AsyncGenerator<Page, void> {
  let at = Number(chunk.dictionary_page_offset ?? chunk.data_page_offset);
  const end = at + Number(chunk.total_compressed_size);
  let window: Uint8Array = new Uint8Array(0);
  let from = at;
  /** The file's next `bytes` bytes from `at`, or the rest of the column if that's less. */
  const ahead = async (bytes: number): Promise<Uint8Array> => {
    if (Math.min(end, at + bytes) > from + window.length) {
      window = await file.read(at, Math.min(end, at + Math.max(bytes, WINDOW_BYTES)));
      from = at;
    }
    return window.subarray(at - from);
  };
  while (at < end) {
    const bytes = await ahead(HEADER_BYTES);
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
    const header = parquetHeader(reader);
    at += reader.offset;
    const data = header.data_page_header;
    const count = data?.num_values ?? header.dictionary_page_header?.num_values;
    if (count === undefined || header.data_page_header_v2)
      throw new Error(`a ${header.type} in ${chunk.path_in_schema[0]}`);
    const size = header.compressed_page_size;
    const compressed = (await ahead(size)).subarray(0, size);
    const page = decompressPage(compressed, header.uncompressed_page_size, chunk.codec, COMPRESSORS);
    at += size;
    yield { bytes: page, count, encoding: data ? (data.encoding === "PLAIN" ? "plain" : "indexes") : "dictionary" };
  }
}

/** Which entry of the dictionary each value of the page is. */
function indexesOf({ bytes, count }: Page): Int32Array {
  const indexes = new Int32Array(count);
  const width = bytes[0] ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width > 0) readRleBitPackedHybrid({ view, offset: 1 }, width, indexes as never, bytes.length - 1);
  return indexes;
}

/** Makes the values of each page. A dictionary comes before the pages that need it, and has none itself. */
function decoder(chunk: Chunk): (page: Page) => FlatColumn {
  return chunk.type === "INT64" ? numbers() : texts();
}

function numbers(): (page: Page) => FlatColumn {
  let entries: Int32Array = new Int32Array(0);
  return (page) => {
    if (page.encoding === "plain") return { kind: "number", words: wordsOf(page), stride: 2 };
    if (page.encoding === "dictionary") {
      entries = wordsOf(page);
      return EMPTY;
    }
    if (entries.length === 2) return { kind: "number", words: entries, stride: 0 };
    const indexes = indexesOf(page);
    const words = new Int32Array(page.count * 2);
    for (let at = 0; at < indexes.length; at += 1) {
      const index = (indexes[at] ?? 0) * 2;
      words[at * 2] = entries[index] ?? 0;
      words[at * 2 + 1] = entries[index + 1] ?? 0;
    }
    return { kind: "number", words, stride: 2 };
  };
}

function wordsOf({ bytes, count }: Page): Int32Array {
  if (bytes.length < count * 8) throw new Error("a page that is too short");
  // A copy where the bytes don't begin at a multiple of four.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, count * 2);
}

function texts(): (page: Page) => FlatColumn {
  let dictionary: Extract<FlatColumn, { kind: "text" }> | undefined;
  // Used for each page.
  let starts = new Int32Array(0);
  let ends = starts;
  return (page) => {
    if (page.encoding === "dictionary") {
      dictionary = {
        kind: "text",
        bytes: page.bytes,
        starts: new Int32Array(page.count),
        ends: new Int32Array(page.count),
      };
      places(page, dictionary.starts, dictionary.ends);
      return EMPTY;
    }
    if (starts.length < page.count) {
      starts = new Int32Array(page.count);
      ends = new Int32Array(page.count);
    }
    if (page.encoding === "plain") {
      places(page, starts, ends);
      return { kind: "text", bytes: page.bytes, starts, ends };
    }
    if (dictionary === undefined) throw new Error("a page without its dictionary");
    const indexes = indexesOf(page);
    for (let at = 0; at < indexes.length; at += 1) {
      const entry = indexes[at] ?? 0;
      starts[at] = dictionary.starts[entry] ?? 0;
      ends[at] = dictionary.ends[entry] ?? 0;
    }
    return { kind: "text", bytes: dictionary.bytes, starts, ends };
  };
}

/** Where plain texts, each after its length, begin and end in their page. */
function places({ bytes, count }: Page, starts: Int32Array, ends: Int32Array): void {
  let at = 0;
  for (let value = 0; value < count; value += 1) {
    const length =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    at += 4;
    starts[value] = at;
    at += length;
    ends[value] = at;
    if (length < 0 || at > bytes.length) throw new Error("a text that is longer than its page");
  }
}
