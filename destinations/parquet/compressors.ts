import * as zlib from "node:zlib";
import type { Compressors } from "hyparquet";
import { lz4Block } from "./lz4_block.ts";

/** One chunk for a page: zlib's own of 16 KiB would have to be joined. */
const whole = (bytes: number): { chunkSize: number } => ({ chunkSize: Math.max(64, bytes) });

/** hyparquet itself has Snappy. */
export const COMPRESSORS: Compressors = {
  GZIP: (input, bytes) => zlib.gunzipSync(input, whole(bytes)),
  BROTLI: (input, bytes) => zlib.brotliDecompressSync(input, whole(bytes)),
  LZ4_RAW: (input, bytes) => lz4Block(input, bytes),
  ZSTD: (input, bytes) => zlib.zstdDecompressSync(input, whole(bytes)),
};
