/** Writes a row's key and place as 32-bit words. A sweep does it for millions of rows, so no object is made for a row. */
import { READING_ORDER, VERSION_COLUMN } from "../../src/models/reading_order.ts";
import type { FlatColumn } from "../parquet/flat_columns.ts";
import { hash } from "./hash.ts";

/** A value as any format gives it: text as its UTF-8 bytes, int64 and microseconds as bigint. */
export type KeyValue = Uint8Array | bigint | boolean | number | null | undefined;

/** Some rows' values of one column. */
export type KeyValues = FlatColumn | { readonly kind: "values"; readonly values: ArrayLike<KeyValue> };

/** Longer texts of a `_version` are cut here, and a cut place never counts as reached. */
const TEXT_WORDS = 8;
const NUMBER_WORDS = 2;
/** For each column of the order: its kind (0: none or NULL, 1: a number or a time, 2: text), then its value. Only `_version` may be a text. */
const PARTS = READING_ORDER.map((name) => (name === VERSION_COLUMN ? TEXT_WORDS : NUMBER_WORDS));
/** Of one row. Words, read without a sign, sort as reads do. */
export const PLACE_WORDS = PARTS.reduce((sum, words) => sum + 1 + words, 0);

/**
 * @param columns those of the order; undefined where the rows have none
 * @returns false if a text was too long to be compared
 */
export function writePlace(
  columns: readonly (KeyValues | undefined)[],
  row: number,
  target: Int32Array,
  at: number,
): boolean {
  let whole = true;
  let to = at;
  for (let part = 0; part < PARTS.length; part += 1) {
    const column = columns[part];
    const words = PARTS[part] ?? 0;
    const kind = column === undefined ? "none" : find(column, row);
    target[to] = KINDS[kind];
    if (kind === "text") {
      whole &&= value.end - value.start <= words * 4;
      writeText(target, to + 1, words);
    } else {
      // The sign's bit is inverted: negative numbers sort below the others.
      target[to + 1] = kind === "none" ? 0 : value.high ^ 0x8000_0000;
      target[to + 2] = kind === "none" ? 0 : value.low;
      for (let word = NUMBER_WORDS; word < words; word += 1) target[to + 1 + word] = 0;
    }
    to += 1 + words;
  }
  return whole;
}

/** Whether the place at `now` is as high as the one at `old`, or higher. */
export function reaches(now: Int32Array, nowAt: number, old: Int32Array, oldAt: number): boolean {
  for (let word = 0; word < PLACE_WORDS; word += 1) {
    const one = now[nowAt + word] ?? 0;
    const other = old[oldAt + word] ?? 0;
    if (one !== other) return one >>> 0 > other >>> 0;
  }
  return true;
}

/** One value. A text is a view of its bytes. */
export function valueAt(column: KeyValues | undefined, row: number): KeyValue {
  switch (column?.kind) {
    case "number": {
      const at = row * column.stride;
      return (BigInt(column.words[at + 1] ?? 0) << 32n) | BigInt((column.words[at] ?? 0) >>> 0);
    }
    case "text":
      return column.bytes.subarray(column.starts[row], column.ends[row]);
    case "values":
      return column.values[row];
    case undefined:
      return undefined;
    default:
      return column satisfies never;
  }
}

let scratch = new Int32Array(256);

/** Hashes a key into `hashed`. Each value follows its kind or length, so that ("ab", "c") and ("a", "bc") differ. */
export function hashKey(columns: readonly KeyValues[], row: number): void {
  let to = 0;
  for (let at = 0; at < columns.length; at += 1) {
    const kind = find(columns[at] as KeyValues, row);
    const length = kind === "text" ? value.end - value.start : kind === "none" ? -1 : -2;
    const words = kind === "text" ? (length + 3) >> 2 : kind === "none" ? 0 : NUMBER_WORDS;
    reserve(to + 1 + words);
    scratch[to] = length;
    if (kind === "text") {
      writeText(scratch, to + 1, words);
    } else if (kind === "number") {
      scratch[to + 1] = value.high;
      scratch[to + 2] = value.low;
    }
    to += 1 + words;
  }
  hash(scratch, to);
}

function reserve(words: number): void {
  if (words <= scratch.length) return;
  const larger = new Int32Array(words * 2);
  larger.set(scratch);
  scratch = larger;
}

const KINDS = { none: 0, number: 1, text: 2 } as const;
/** The value that was found last: a text's bytes, or the halves of a number. */
const value = { bytes: new Uint8Array(0) as Uint8Array, start: 0, end: 0, high: 0, low: 0 };

function find(column: KeyValues, row: number): keyof typeof KINDS {
  switch (column.kind) {
    case "number":
      value.low = column.words[row * column.stride] ?? 0;
      value.high = column.words[row * column.stride + 1] ?? 0;
      return "number";
    case "text":
      value.bytes = column.bytes;
      value.start = column.starts[row] ?? 0;
      value.end = column.ends[row] ?? 0;
      return "text";
    case "values":
      return findAny(column.values[row]);
    default:
      return column satisfies never;
  }
}

function findAny(found: KeyValue): keyof typeof KINDS {
  if (found === null || found === undefined) return "none";
  if (found instanceof Uint8Array) {
    value.bytes = found;
    value.start = 0;
    value.end = found.length;
    return "text";
  }
  split(found);
  return "number";
}

/** Writes the first `words` words of the text that was found, its first byte highest; zeros after its end. */
function writeText(target: Int32Array, to: number, words: number): void {
  const { bytes, start, end } = value;
  const whole = Math.min(words, (end - start) >> 2);
  let at = start;
  for (let word = 0; word < whole; word += 1, at += 4) {
    target[to + word] =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
  }
  for (let word = whole; word < words; word += 1) {
    let part = 0;
    for (let byte = 0; byte < 4; byte += 1, at += 1) part = (part << 8) | (at < end ? (bytes[at] as number) : 0);
    target[to + word] = part;
  }
}

const float = new DataView(new ArrayBuffer(8));

/** The halves of 64 bits that tell values apart and, read as one number with a sign, sort as the values do. */
function split(found: bigint | number | boolean): void {
  if (typeof found === "number") {
    float.setFloat64(0, found);
    const negative = float.getInt32(0) < 0;
    value.high = negative ? ~float.getInt32(0) ^ 0x8000_0000 : float.getInt32(0);
    value.low = negative ? ~float.getInt32(4) : float.getInt32(4);
    return;
  }
  const whole = BigInt(found);
  value.low = Number(BigInt.asIntN(32, whole));
  value.high = Number(BigInt.asIntN(32, whole >> 32n));
}
