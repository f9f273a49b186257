/**
 * Which files a new batch makes superfluous, decided row by row.
 *
 * A file may go only if, for each of its rows, a row of the same key with an equal or higher place (destinations/keys/encode.ts)
 * is in the batch or in a file that stays. So the highest place of a key among the files never falls, and a reader never sees
 * a row vanish or become older.
 *
 * The rows of the files are kept in memory; those of the batch stream by. `close` goes through the files from the one that was read
 * last to the one that was read first, so that of two files with the same row one stays.
 */
import { hashKey, type KeyValues, PLACE_WORDS, reaches, writePlace } from "./encode.ts";
import { hashed } from "./hash.ts";

/** Some rows: their values of each column of the key, and of the order. */
export interface KeyRows {
  readonly key: readonly KeyValues[];
  /** Of READING_ORDER; undefined where the file lacks the column. */
  readonly order: readonly (KeyValues | undefined)[];
  /** Of `more` of the shape. */
  readonly more?: readonly (KeyValues | undefined)[];
  readonly rows: number;
}

/** What a file has that nothing newer has. */
export interface Remains {
  /** Rows whose key is neither in the batch nor in a file that was read later. */
  readonly lost: number;
  /** Whether the file has to stay: it has lost rows, or rows that are newer than the batch's. */
  readonly stays: boolean;
}

const NONE = -1;
/** The words of a row lie side by side, 64 bytes, so that looking at one costs one miss of the cache. */
const HIGH = 0;
const LOW = 1;
/** The next row of the same bucket. */
const NEXT = 2;
/** 0: the key wasn't met, 1: with a lower place, 2: with an equal or higher one. */
const MET = 3;
const PLACE = 4;
/** Rows that are looked up together. */
const AHEAD = 512;
const ROW_WORDS = PLACE + PLACE_WORDS;

export class Supersession {
  readonly #buckets: Int32Array;
  readonly #mask: number;
  #count = 0;
  #rows: Int32Array;
  readonly #ends: number[] = [];
  readonly #place = new Int32Array(PLACE_WORDS);
  readonly #ahead = {
    high: new Int32Array(AHEAD),
    low: new Int32Array(AHEAD),
    first: new Int32Array(AHEAD),
    touched: new Int32Array(AHEAD),
  };

  /** @param rows of all files, from the manifests; more are taken too */
  constructor(rows: number) {
    const capacity = Math.max(16, rows);
    this.#mask = 2 ** Math.ceil(Math.log2(capacity)) - 1;
    this.#buckets = new Int32Array(this.#mask + 1).fill(NONE);
    this.#rows = new Int32Array(capacity * ROW_WORDS);
  }

  /** Rows of the file that is being added. Files come in the order of their reads, the earliest first. */
  add({ key, order, rows: count }: KeyRows): void {
    while ((this.#count + count) * ROW_WORDS > this.#rows.length) {
      const larger = new Int32Array(this.#rows.length * 2);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    const rows = this.#rows;
    let at = this.#count * ROW_WORDS;
    for (let row = 0; row < count; row += 1, at += ROW_WORDS) {
      hashKey(key, row);
      rows[at + HIGH] = hashed.high;
      rows[at + LOW] = hashed.low;
      // A place that was cut can't be compared: such a row is reached by nothing.
      if (!writePlace(order, row, rows, at + PLACE)) rows.fill(-1, at + PLACE, at + ROW_WORDS);
    }
    // A separate loop: the processor then waits for many buckets at once.
    const [buckets, mask] = [this.#buckets, this.#mask];
    for (let row = this.#count; row < this.#count + count; row += 1) {
      const bucket = (rows[row * ROW_WORDS + LOW] ?? 0) & mask;
      rows[row * ROW_WORDS + NEXT] = buckets[bucket] ?? NONE;
      rows[row * ROW_WORDS + MET] = 0;
      buckets[bucket] = row;
    }
    this.#count += count;
  }

  /** Ends a file that is being added. */
  endFile(): void {
    this.#ends.push(this.#count);
  }

  /** Forgets the rows of the file that is being added. */
  dropFile(): void {
    const from = this.#ends.at(-1) ?? 0;
    for (; this.#count > from; this.#count -= 1) {
      const at = (this.#count - 1) * ROW_WORDS;
      // The row that was added last is the first of its bucket.
      this.#buckets[(this.#rows[at + LOW] ?? 0) & this.#mask] = this.#rows[at + NEXT] ?? NONE;
    }
  }

  /** Rows of the batch. Some at a time, in loops that are short, so that the processor waits for many rows at once. */
  meet({ key, order, rows: count }: KeyRows): void {
    const [rows, buckets, mask] = [this.#rows, this.#buckets, this.#mask];
    const { high, low, first, touched } = this.#ahead;
    for (let from = 0; from < count; from += AHEAD) {
      const some = Math.min(AHEAD, count - from);
      for (let at = 0; at < some; at += 1) {
        hashKey(key, from + at);
        high[at] = hashed.high;
        low[at] = hashed.low;
      }
      for (let at = 0; at < some; at += 1) first[at] = buckets[(low[at] ?? 0) & mask] ?? NONE;
      // Brings the rows into the cache.
      for (let at = 0; at < some; at += 1) touched[at] = rows[Math.max(0, first[at] ?? 0) * ROW_WORDS + LOW] ?? 0;
      for (let at = 0; at < some; at += 1) {
        writePlace(order, from + at, this.#place, 0);
        this.#mark(first[at] ?? NONE, high[at] ?? 0, low[at] ?? 0, this.#place, 0, this.#count);
      }
    }
  }

  /** For each file, in the order in which they were added. */
  close(): Remains[] {
    const remains: Remains[] = [];
    const rows = this.#rows;
    for (let file = this.#ends.length - 1; file >= 0; file -= 1) {
      const from = this.#ends[file - 1] ?? 0;
      const to = this.#ends[file] ?? 0;
      let lost = 0;
      let newer = false;
      for (let row = from; row < to; row += 1) {
        const met = rows[row * ROW_WORDS + MET];
        if (met === 0) lost += 1;
        else if (met === 1) newer = true;
      }
      const stays = lost > 0 || newer;
      remains.unshift({ lost, stays });
      // What stays also holds the older rows of its keys.
      if (!stays) continue;
      for (let row = from; row < to; row += 1) {
        const at = row * ROW_WORDS;
        const [high, low] = [rows[at + HIGH] ?? 0, rows[at + LOW] ?? 0];
        this.#mark(this.#buckets[low & this.#mask] ?? NONE, high, low, rows, at + PLACE, from);
      }
    }
    return remains;
  }

  /** Marks the rows before `end` that have this key. @param first of its bucket */
  #mark(first: number, high: number, low: number, places: Int32Array, place: number, end: number): void {
    const rows = this.#rows;
    let row = first;
    while (row !== NONE) {
      const at = row * ROW_WORDS;
      if (row < end && rows[at + LOW] === low && rows[at + HIGH] === high && rows[at + MET] !== 2) {
        rows[at + MET] = reaches(places, place, rows, at + PLACE) ? 2 : 1;
      }
      row = rows[at + NEXT] ?? NONE;
    }
  }
}
