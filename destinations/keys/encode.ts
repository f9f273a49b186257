/** Writes a row's key and place as bytes. */
import { READING_ORDER, VERSION_COLUMN } from "../../src/models/reading_order.ts";
import { hash } from "./hash.ts";

/** A value as any format gives it: text as its UTF-8 bytes, int64 and microseconds as bigint. */
export type KeyValue = Uint8Array | bigint | boolean | number | null | undefined;

/** Longer texts of a `_version` are cut here, and a cut place never counts as reached. */
const TEXT_BYTES = 32;
/** For each column of the order: its kind (0: none or NULL, 1: a number or a time, 2: text), then its value. Only `_version` may be a text. */
const PARTS = READING_ORDER.map((name) => ({ bytes: name === VERSION_COLUMN ? TEXT_BYTES : 8 }));
/** Of one row. Bytes sort as reads do. */
export const PLACE_BYTES = PARTS.reduce((sum, { bytes }) => sum + 1 + bytes, 0);

const SIGN = 1n << 63n;

/** @returns false if a text was too long to be compared */
export function writePlace(values: readonly KeyValue[], target: Uint8Array, view: DataView, at: number): boolean {
  target.fill(0, at, at + PLACE_BYTES);
  let whole = true;
  let to = at;
  for (let part = 0; part < PARTS.length; part += 1) {
    const value = values[part];
    const bytes = PARTS[part]?.bytes ?? 0;
    if (value instanceof Uint8Array) {
      target[to] = 2;
      whole &&= value.length <= bytes;
      target.set(value.length > bytes ? value.subarray(0, bytes) : value, to + 1);
    } else if (value !== null && value !== undefined) {
      target[to] = 1;
      // The sign's bit is inverted: negative numbers sort below the others.
      view.setBigUint64(to + 1, BigInt.asUintN(64, BigInt(value)) ^ SIGN);
    }
    to += 1 + bytes;
  }
  return whole;
}

let scratch = new Uint8Array(1024);
let scratchView = new DataView(scratch.buffer);

/** Hashes a key into `hashed`. Each value follows its length, so that ("ab", "c") and ("a", "bc") differ. */
export function hashKey(values: readonly KeyValue[]): void {
  let length = 0;
  for (const value of values) length = append(value, length);
  scratch.fill(0, length, (length + 3) & ~3);
  hash(scratchView, length);
}

function append(value: KeyValue, at: number): number {
  if (value === null || value === undefined) {
    reserve(at + 4);
    scratchView.setInt32(at, -1);
    return at + 4;
  }
  if (value instanceof Uint8Array) {
    reserve(at + value.length + 8);
    scratchView.setInt32(at, value.length);
    scratch.set(value, at + 4);
    return at + 4 + value.length;
  }
  reserve(at + 16);
  scratchView.setInt32(at, 8);
  if (typeof value === "bigint") scratchView.setBigInt64(at + 4, value);
  else scratchView.setFloat64(at + 4, Number(value));
  return at + 12;
}

function reserve(bytes: number): void {
  if (bytes + 4 <= scratch.length) return;
  const larger = new Uint8Array(bytes * 2 + 8);
  larger.set(scratch);
  scratch = larger;
  scratchView = new DataView(scratch.buffer);
}
