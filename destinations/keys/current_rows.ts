/** The current row of each key among any number of files, in typed arrays: about 75 bytes for a key. */
import { hashKey, PLACE_WORDS, reaches, writePlace } from "./encode.ts";
import { hashed } from "./hash.ts";
import type { KeyRows } from "./supersession.ts";

const NONE = -1;

export class CurrentRows {
  readonly #pass: number;
  readonly #passes: number;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  #rows = 0;
  #high: Int32Array;
  #low: Int32Array;
  /** The next row of the same bucket. */
  #next: Int32Array;
  #groups: Int32Array;
  #checksums: Uint32Array;
  #places: Int32Array;
  readonly #place = new Int32Array(PLACE_WORDS);

  /** @param rows about how many keys there are. With `passes` above 1, only the keys of this pass are taken */
  constructor(rows: number, pass = 0, passes = 1) {
    this.#pass = pass;
    this.#passes = passes;
    const capacity = Math.max(16, rows);
    const buckets = 2 ** Math.ceil(Math.log2(capacity));
    this.#mask = buckets - 1;
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#high = new Int32Array(capacity);
    this.#low = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#groups = new Int32Array(capacity);
    this.#checksums = new Uint32Array(capacity);
    this.#places = new Int32Array(capacity * PLACE_WORDS);
  }

  /** @param of which of the rows. @returns where to `describe` the row, if it's the current one so far */
  add({ key, order }: KeyRows, of: number): number | undefined {
    hashKey(key, of);
    const { high, low } = hashed;
    if (this.#passes > 1 && (high >>> 0) % this.#passes !== this.#pass) return undefined;
    writePlace(order, of, this.#place, 0);
    const bucket = low & this.#mask;
    let row = this.#buckets[bucket] ?? NONE;
    while (row !== NONE && (this.#low[row] !== low || this.#high[row] !== high)) row = this.#next[row] ?? NONE;
    if (row === NONE) {
      row = this.#rows;
      if (row === this.#high.length) this.#grow();
      this.#rows += 1;
      this.#high[row] = high;
      this.#low[row] = low;
      this.#next[row] = this.#buckets[bucket] ?? NONE;
      this.#buckets[bucket] = row;
    } else if (!reaches(this.#place, 0, this.#places, row * PLACE_WORDS)) {
      return undefined;
    }
    this.#places.set(this.#place, row * PLACE_WORDS);
    return row;
  }

  describe(row: number, group: number, checksum: number): void {
    this.#groups[row] = group;
    this.#checksums[row] = checksum;
  }

  forEach(visit: (group: number, checksum: number) => void): void {
    for (let row = 0; row < this.#rows; row += 1) visit(this.#groups[row] ?? 0, this.#checksums[row] ?? 0);
  }

  #grow(): void {
    const capacity = this.#high.length * 2;
    const larger = <Values extends Int32Array | Uint32Array>(values: Values, made: Values): Values => {
      made.set(values);
      return made;
    };
    this.#high = larger(this.#high, new Int32Array(capacity));
    this.#low = larger(this.#low, new Int32Array(capacity));
    this.#next = larger(this.#next, new Int32Array(capacity));
    this.#groups = larger(this.#groups, new Int32Array(capacity));
    this.#checksums = larger(this.#checksums, new Uint32Array(capacity));
    this.#places = larger(this.#places, new Int32Array(capacity * PLACE_WORDS));
  }
}
