/** Decompression by a file's name. */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";

/**
 * @returns undefined for a file that is not compressed
 * @throws Error for one that Node.js can't decompress (LZ4)
 */
export function decompressor(name: string): Transform | undefined {
  if (name.endsWith(".gz")) return zlib.createGunzip();
  if (name.endsWith(".br")) return zlib.createBrotliDecompress();
  if (name.endsWith(".zst")) return zlib.createZstdDecompress();
  if (/\.(jsonl|csv)$/.test(name)) return undefined;
  throw new Error(`can't decompress ${name}`);
}
