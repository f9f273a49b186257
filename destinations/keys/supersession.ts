/**
 * Which files a new batch makes superfluous, decided row by row.
 *
 * A file may go only if, for each of its rows, a row of the same key with an equal or higher place (destinations/keys/shape.ts)
 * is in the batch or in a file that stays. So the highest place of a key among the files never falls, and a reader never sees
 * a row vanish or become older.
 *
 * The rows of the files are held, those of the batch stream by. `close` goes through the files from the one that was read
 * last to the one that was read first, so that of two files with the same row one stays.
 */
import { hashKey, type KeyValue, PLACE_BYTES, writePlace } from "./encode.ts";
import { hashed } from "./hash.ts";

/** What a file has that nothing newer has. */
export interface Remains {
  /** Rows whose key is neither in the batch nor in a file that was read later. */
  readonly lost: number;
  /** Whether the file has to stay: it has lost rows, or rows that are newer than the batch's. */
  readonly stays: boolean;
}

const NONE = -1;

export class Supersession {
  readonly #buckets: Int32Array;
  readonly #mask: number;
  #rows = 0;
  #high: Int32Array;
  #low: Int32Array;
  #places: Uint8Array;
  #placesView: DataView;
  /** The next row of the same bucket. */
  #next: Int32Array;
  /** 0: the key wasn't met, 1: with a lower place, 2: with an equal or higher one. */
  #met: Uint8Array;
  readonly #ends: number[] = [];
  readonly #place = new Uint8Array(PLACE_BYTES);
  readonly #placeView = new DataView(this.#place.buffer);

  /** @param rows of all files, from the manifests; more are taken too */
  constructor(rows: number) {
    const capacity = Math.max(16, rows);
    this.#mask = 2 ** Math.ceil(Math.log2(capacity)) - 1;
    this.#buckets = new Int32Array(this.#mask + 1).fill(NONE);
    this.#high = new Int32Array(capacity);
    this.#low = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#met = new Uint8Array(capacity);
    this.#places = new Uint8Array(capacity * PLACE_BYTES);
    this.#placesView = new DataView(this.#places.buffer);
  }

  /** A row of the file that is being added. Files come in the order of their reads, the earliest first. */
  add(key: readonly KeyValue[], order: readonly KeyValue[]): void {
    const row = this.#rows;
    if (row === this.#high.length) this.#grow();
    hashKey(key);
    const { high, low } = hashed;
    this.#high[row] = high;
    this.#low[row] = low;
    // A place that was cut can't be compared: such a row is reached by nothing.
    if (!writePlace(order, this.#places, this.#placesView, row * PLACE_BYTES)) {
      this.#places.fill(255, row * PLACE_BYTES, (row + 1) * PLACE_BYTES);
    }
    const bucket = low & this.#mask;
    this.#next[row] = this.#buckets[bucket] ?? NONE;
    this.#buckets[bucket] = row;
    this.#rows += 1;
  }

  /** Ends a file that is being added. */
  endFile(): void {
    this.#ends.push(this.#rows);
  }

  /** Forgets the rows of the file that is being added. */
  dropFile(): void {
    const from = this.#ends.at(-1) ?? 0;
    for (; this.#rows > from; this.#rows -= 1) {
      const row = this.#rows - 1;
      // The row that was added last is the first of its bucket.
      this.#buckets[(this.#low[row] ?? 0) & this.#mask] = this.#next[row] ?? NONE;
    }
  }

  /** A row of the batch. */
  meet(key: readonly KeyValue[], order: readonly KeyValue[]): void {
    hashKey(key);
    writePlace(order, this.#place, this.#placeView, 0);
    this.#mark(hashed.high, hashed.low, this.#place, 0, this.#rows);
  }

  /** For each file, in the order in which they were added. */
  close(): Remains[] {
    const remains: Remains[] = [];
    for (let file = this.#ends.length - 1; file >= 0; file -= 1) {
      const from = this.#ends[file - 1] ?? 0;
      const to = this.#ends[file] ?? 0;
      let lost = 0;
      let newer = false;
      for (let row = from; row < to; row += 1) {
        if (this.#met[row] === 0) lost += 1;
        else if (this.#met[row] === 1) newer = true;
      }
      const stays = lost > 0 || newer;
      remains.unshift({ lost, stays });
      // What stays also holds the older rows of its keys.
      if (!stays) continue;
      for (let row = from; row < to; row += 1) {
        this.#mark(this.#high[row] ?? 0, this.#low[row] ?? 0, this.#places, row * PLACE_BYTES, from);
      }
    }
    return remains;
  }

  /** Marks the rows before `end` that have this key. */
  #mark(high: number, low: number, places: Uint8Array, at: number, end: number): void {
    for (let row = this.#buckets[low & this.#mask] ?? NONE; row !== NONE; row = this.#next[row] ?? NONE) {
      if (row >= end || this.#met[row] === 2 || this.#low[row] !== low || this.#high[row] !== high) continue;
      this.#met[row] = reaches(places, at, this.#places, row * PLACE_BYTES) ? 2 : 1;
    }
  }

  #grow(): void {
    const capacity = this.#high.length * 2;
    const larger = <Values extends Int32Array | Uint8Array>(values: Values, made: Values): Values => {
      made.set(values);
      return made;
    };
    this.#high = larger(this.#high, new Int32Array(capacity));
    this.#low = larger(this.#low, new Int32Array(capacity));
    this.#next = larger(this.#next, new Int32Array(capacity));
    this.#met = larger(this.#met, new Uint8Array(capacity));
    this.#places = larger(this.#places, new Uint8Array(capacity * PLACE_BYTES));
    this.#placesView = new DataView(this.#places.buffer);
  }
}

function reaches(now: Uint8Array, nowAt: number, old: Uint8Array, oldAt: number): boolean {
  for (let at = 0; at < PLACE_BYTES; at += 1) {
    const difference = (now[nowAt + at] ?? 0) - (old[oldAt + at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
