/** Counts the rows of a staged file in the file itself, so a truncated answer is found before a destination sees it. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { type Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import type { FileFormat } from "../../destinations/destination.ts";
import { parquetRowCount } from "../../destinations/parquet/row_count.ts";
import { messageOf } from "../errors.ts";
import { isWholeLz4 } from "./lz4_frame.ts";

/** The file ends earlier than its format says. */
export class NotWhole extends Error {}

/**
 * @returns undefined if Node.js can't read the compression: LZ4, whose frames are checked instead, and Zstandard before
 *   Node.js 22.15
 * @throws NotWhole if the file is truncated
 */
export async function countRows(path: string, format: FileFormat, signal: AbortSignal): Promise<number | undefined> {
  if (format === "parquet") return await parquetRows(path);
  if (path.endsWith(".lz4") && !(await isWholeLz4(path))) throw new NotWhole("a broken LZ4 frame");
  const decompress = decompressor(path);
  if (decompress === undefined) return undefined;
  const counter = new RowCounter(format);
  try {
    const source = createReadStream(path, { highWaterMark: 1 << 20 });
    if (decompress === "none") await pipeline(source, counter, { signal });
    else await pipeline(source, decompress, counter, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new NotWhole(`a broken compressed stream (${messageOf(error)})`);
  }
  if (!counter.endsWell) throw new NotWhole("a last row without its end");
  return format === "csv" ? Math.max(0, counter.rows - 1) : counter.rows;
}

function decompressor(path: string): Transform | "none" | undefined {
  if (path.endsWith(".gz")) return zlib.createGunzip();
  if (path.endsWith(".br")) return zlib.createBrotliDecompress();
  // Added in Node.js 22.15; everything else works from 22.12.
  if (path.endsWith(".zst")) return "createZstdDecompress" in zlib ? zlib.createZstdDecompress() : undefined;
  if (path.endsWith(".lz4")) return undefined;
  return "none";
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

/** A row of JSON Lines is a line. A row of CSV may have line ends inside quotes; a quote inside quotes is doubled. */
class RowCounter extends Writable {
  rows = 0;
  endsWell = true;
  readonly #quoted: boolean;
  #inQuotes = false;

  constructor(format: FileFormat) {
    super();
    this.#quoted = format === "csv";
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let newline = chunk.indexOf(NEWLINE);
    let quote = this.#quoted ? chunk.indexOf(QUOTE) : -1;
    while (newline !== -1 || quote !== -1) {
      if (quote !== -1 && (newline === -1 || quote < newline)) {
        this.#inQuotes = !this.#inQuotes;
        quote = chunk.indexOf(QUOTE, quote + 1);
      } else {
        if (!this.#inQuotes) this.rows += 1;
        newline = chunk.indexOf(NEWLINE, newline + 1);
      }
    }
    if (chunk.length > 0) this.endsWell = chunk.at(-1) === NEWLINE && !this.#inQuotes;
    done();
  }
}
