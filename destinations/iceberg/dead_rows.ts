/** Which rows of a file are dead: one bit a row. */
export class DeadRows implements Iterable<number> {
  readonly rows: number;
  readonly #bits: Uint8Array;
  #count = 0;

  constructor(rows: number, positions: Iterable<number> = []) {
    this.rows = rows;
    this.#bits = new Uint8Array(Math.ceil(rows / 8));
    for (const position of positions) this.add(position);
  }

  get count(): number {
    return this.#count;
  }

  has(position: number): boolean {
    return ((this.#bits[position >> 3] ?? 0) & (1 << (position & 7))) !== 0;
  }

  /** Positions outside of the file are ignored: nothing can die there. */
  add(position: number): void {
    if (position >= this.rows || this.has(position)) return;
    this.#bits[position >> 3] = (this.#bits[position >> 3] ?? 0) | (1 << (position & 7));
    this.#count += 1;
  }

  /** Ascending. */
  *[Symbol.iterator](): Iterator<number> {
    for (const [byte, bits] of this.#bits.entries()) {
      if (bits === 0) continue;
      for (let bit = 0; bit < 8; bit += 1) if ((bits & (1 << bit)) !== 0) yield byte * 8 + bit;
    }
  }
}

/**
 * Of a copy that lacks the rows that were dead when it was made: which of its rows have died since. Undefined if a row that it
 * lacks is alive, such as after a rollback.
 */
export function diedSince(before: DeadRows, now: DeadRows): DeadRows | undefined {
  const died = new DeadRows(before.rows - before.count);
  let at = 0;
  for (let row = 0; row < before.rows; row += 1) {
    if (!before.has(row)) {
      if (now.has(row)) died.add(at);
      at += 1;
    } else if (!now.has(row)) return undefined;
  }
  return died;
}
