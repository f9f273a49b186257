/**
 * Counts the rows of a staged file in the file itself. Nothing else is believed: a header may be missing or come too early,
 * and a broken answer may end in good form. What proves that a file is whole:
 *
 * - Parquet: the footer, which is written last.
 * - Compressed JSON Lines and CSV: the end of the compressed stream, and each row begins as a row does. A server that can't
 *   take back its HTTP 200 writes the text of an error after the last row.
 * - Uncompressed JSON Lines and CSV: they are compressed on their way (src/clickhouse/settings.ts), so the source has
 *   checked the end.
 */
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FileFormat } from "../../destinations/destination.ts";
import { decompressor } from "../../destinations/files/decompressor.ts";
import { parquetRowCount } from "../../destinations/parquet/row_count.ts";
import { messageOf } from "../errors.ts";

/** The file ends earlier than its format says, or has something in it that is no row. */
export class NotWhole extends Error {}

/**
 * @param columns the names of the columns, in order
 * @throws NotWhole
 */
export async function countRows(
  path: string,
  format: FileFormat,
  columns: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  if (format === "parquet") return await parquetRows(path);
  const { size } = await stat(path);
  // No rows of JSON Lines are no bytes. CSV has a header at least.
  if (size === 0 && format === "jsonl") return 0;
  const counter = new RowCounter(format, columns);
  const decompress = decompressor(path);
  try {
    const source = createReadStream(path, { highWaterMark: 1 << 20 });
    if (decompress === undefined) await pipeline(source, counter, { signal });
    else await pipeline(source, decompress, counter, { signal });
  } catch (error) {
    if (signal.aborted || error instanceof NotWhole) throw error;
    throw new NotWhole(`a broken compressed stream (${messageOf(error)})`);
  }
  return counter.count();
}

async function parquetRows(path: string): Promise<number> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    const bytes = Buffer.alloc(end - start);
    await file.read(bytes, 0, bytes.length, start);
    return bytes;
  };
  try {
    return await parquetRowCount({ bytes: size, read });
  } catch (error) {
    throw new NotWhole(`no Parquet footer (${messageOf(error)})`);
  }
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;

/** What a row of CSV begins with: a quoted text, a number, a Bool, nan, inf or \N. */
const CSV_BEGINNINGS = new Set(Buffer.from('"0123456789-tfni\\'));

/** A row of JSON Lines is a line. A row of CSV may have line ends inside quotes; a quote inside quotes is doubled. */
class RowCounter extends Writable {
  readonly #csv: boolean;
  /** What a line of JSON Lines, and the header of CSV, begins with. */
  readonly #beginning: Buffer;
  #lines = 0;
  #inQuotes = false;
  /** Bytes of the current line that were compared with its beginning. A line may begin in one chunk and go on in the next. */
  #compared = 0;
  #endsWell = true;

  constructor(format: FileFormat, columns: readonly string[]) {
    super();
    this.#csv = format === "csv";
    const header = `${columns.map((name) => `"${name.replaceAll('"', '""')}"`).join(",")}\n`;
    this.#beginning = Buffer.from(this.#csv ? header : `{${jsonName(columns[0] ?? "")}`);
  }

  /** @throws NotWhole if the last row isn't whole, or CSV has no header */
  count(): number {
    if (!this.#endsWell) throw new NotWhole("a last row without its end");
    if (!this.#csv) return this.#lines;
    if (this.#lines === 0) throw new NotWhole("no header");
    return this.#lines - 1;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    let newline = chunk.indexOf(NEWLINE);
    let quote = this.#csv ? chunk.indexOf(QUOTE) : -1;
    let begins = this.#begins(chunk, 0);
    while (begins && (newline !== -1 || quote !== -1)) {
      if (quote !== -1 && (newline === -1 || quote < newline)) {
        this.#inQuotes = !this.#inQuotes;
        quote = chunk.indexOf(QUOTE, quote + 1);
      } else {
        if (!this.#inQuotes) {
          this.#lines += 1;
          this.#compared = 0;
          begins = this.#begins(chunk, newline + 1);
        }
        newline = chunk.indexOf(NEWLINE, newline + 1);
      }
    }
    if (chunk.length > 0) this.#endsWell = chunk.at(-1) === NEWLINE && !this.#inQuotes;
    done(begins ? undefined : noRow(chunk));
  }

  /** Whether the current line begins as a row does, as far as this chunk shows it. */
  #begins(chunk: Buffer, from: number): boolean {
    const anyOf = this.#csv && this.#lines > 0;
    const length = anyOf ? 1 : this.#beginning.length;
    for (let at = from; at < chunk.length && this.#compared < length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (anyOf ? !CSV_BEGINNINGS.has(byte) : byte !== this.#beginning[this.#compared]) return false;
      this.#compared += 1;
    }
    return true;
  }
}

/** ClickHouse escapes more in a name than JSON asks for. Of a name that needs it, only the quote is expected. */
function jsonName(name: string): string {
  return /^[\w $-]+$/.test(name) ? `"${name}":` : '"';
}

/** Says what ClickHouse wrote, where it wrote an error. */
function noRow(chunk: Buffer): NotWhole {
  const [error] = /Code: \d+\. DB::Exception: [^\n]*/.exec(chunk.toString("utf8")) ?? [];
  return new NotWhole(error === undefined ? "something in it is no row" : `an error among the rows: ${error}`);
}
