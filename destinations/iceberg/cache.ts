/** What was read of files that never change, by path. The least recently used go first. */
export class Cache<Value> {
  readonly #most: number;
  readonly #sizeOf: (value: Value) => number;
  readonly #entries = new Map<string, { readonly value: Value; readonly size: number }>();
  #size = 0;

  /** @param most of all sizes together */
  constructor(most: number, sizeOf: (value: Value) => number) {
    this.#most = most;
    this.#sizeOf = sizeOf;
  }

  async get(path: string, read: () => Promise<Value>): Promise<Value> {
    const found = this.#entries.get(path);
    if (found) {
      // A Map keeps the order in which entries were set.
      this.#entries.delete(path);
      this.#entries.set(path, found);
      return found.value;
    }
    const value = await read();
    this.set(path, value);
    return value;
  }

  set(path: string, value: Value): void {
    const size = this.#sizeOf(value);
    this.#size += size - (this.#entries.get(path)?.size ?? 0);
    this.#entries.delete(path);
    this.#entries.set(path, { value, size });
    for (const [oldest, entry] of this.#entries) {
      if (this.#size <= this.#most) break;
      this.#entries.delete(oldest);
      this.#size -= entry.size;
    }
  }
}
