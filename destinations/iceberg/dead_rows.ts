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
