/**
 * The keys and places of a file's rows in one typed array, 56 bytes a row. Key ids are hashes under the process's random key, so
 * they're never stored.
 */
import { hashKey, PLACE_WORDS, writePlace } from "./encode.ts";
import { hashed } from "./hash.ts";
import type { KeyRows } from "./supersession.ts";

/** The words of a row: the two halves of the key's hash, then its place in the order of reads. */
export const HASH_HIGH = 0;
export const HASH_LOW = 1;
export const PLACE = 2;
export const PACKED_WORDS = PLACE + PLACE_WORDS;

export interface PackedKeys {
  readonly rows: number;
  /** PACKED_WORDS for each row. */
  readonly words: Int32Array;
}

/**
 * @param expected how many rows the file should have
 * @throws Error if it has another number, or a `_version` that is too long to be compared
 */
export async function packKeys(rows: AsyncIterable<KeyRows>, expected: number): Promise<PackedKeys> {
  const words = new Int32Array(expected * PACKED_WORDS);
  let count = 0;
  for await (const { key, order, rows: some } of rows) {
    if (count + some > expected) throw new Error(`it has more than ${expected} rows`);
    for (let row = 0; row < some; row += 1, count += 1) {
      const at = count * PACKED_WORDS;
      hashKey(key, row);
      words[at + HASH_HIGH] = hashed.high;
      words[at + HASH_LOW] = hashed.low;
      if (!writePlace(order, row, words, at + PLACE)) throw new LongVersion();
    }
  }
  if (count !== expected) throw new Error(`it has ${count} rows, not ${expected}`);
  return { rows: count, words };
}

/** A text of `_version` that is longer than what is compared. */
export class LongVersion extends Error {
  override readonly name = "LongVersion";
  constructor() {
    super("a _version has more than 32 bytes");
  }
}
