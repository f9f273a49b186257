/**
 * Which live files may have a key of a batch, by the bounds of one column of the key. Only the first six bytes of each value are
 * kept: a number holds them, and ids that begin with a time differ there.
 */
import type { Column } from "../../src/models/column.ts";
import type { KeyRows } from "../keys/supersession.ts";
import { valueAt } from "../keys/encode.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { currentSchema } from "../table_format/metadata.ts";
import type { DataEntry, TableState } from "./snapshot.ts";

const PREFIX_BYTES = 6;

/** What tells rows apart, and which is newer. */
export interface KeyedColumns {
  readonly columns: readonly Pick<Column, "name" | "type">[];
  readonly key: readonly string[];
}

/** The column of the key that files are chosen by: the last text, `session_id`. Undefined if there is none. */
export function prunedBy({ columns, key }: KeyedColumns): number | undefined {
  const at = key.findLastIndex((name) => columns.some((one) => one.name === name && one.type === "string"));
  return at === -1 ? undefined : at;
}

/** The prefixes of a file's keys, collected while its rows pass by. */
export class KeyPrefixes {
  readonly #column: number | undefined;
  readonly #values: Float64Array;
  #count = 0;

  constructor(column: number | undefined, rows: number) {
    this.#column = column;
    this.#values = new Float64Array(column === undefined ? 0 : rows);
  }

  async *tap(rows: AsyncIterable<KeyRows>): AsyncIterable<KeyRows> {
    for await (const some of rows) {
      const values = this.#column === undefined ? undefined : some.key[this.#column];
      const count = values === undefined ? 0 : some.rows;
      for (let row = 0; row < count; row += 1, this.#count += 1) {
        const value = valueAt(values, row);
        this.#values[this.#count] = prefix(value instanceof Uint8Array ? value : undefined, 0);
      }
      yield some;
    }
    this.#values.sort();
  }

  /** Whether there may be a value from `lower` to `upper`. */
  mayHold(lower: Uint8Array, upper: Uint8Array): boolean {
    if (this.#column === undefined) return true;
    const [least, most] = [prefix(lower, 0), prefix(upper, 0xff)];
    // The first that isn't below `least`.
    let [from, to] = [0, this.#values.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#values[middle] ?? 0) < least) from = middle + 1;
      else to = middle;
    }
    return from < this.#values.length && (this.#values[from] ?? 0) <= most;
  }
}

/** As one number, which sorts as the bytes do. @param fill what follows a value that is shorter */
function prefix(bytes: Uint8Array | undefined, fill: number): number {
  let number = 0;
  for (let at = 0; at < PREFIX_BYTES; at += 1) number = number * 256 + (bytes?.[at] ?? fill);
  return number;
}

export function candidates(
  batch: KeyedColumns,
  prefixes: readonly KeyPrefixes[],
  { metadata, data }: TableState,
): readonly DataEntry[] {
  const name = batch.key[prunedBy(batch) ?? -1];
  const id = currentSchema(metadata).fields.find((field) => field.name === name)?.id ?? -1;
  return data.filter(({ entry: { file } }) => mayHold(file, id, prefixes));
}

function mayHold(file: DataFile, id: number, prefixes: readonly KeyPrefixes[]): boolean {
  const [lower, upper] = [file.lowerBounds?.get(id), file.upperBounds?.get(id)];
  return lower === undefined || upper === undefined || prefixes.some((one) => one.mayHold(lower, upper));
}
