/**
 * Bounds of columns: Iceberg's single values as bytes. https://iceberg.apache.org/spec/#binary-single-value-serialization
 * Other writers cut long ones: a lower bound may be lower than the lowest value, an upper one higher than the highest.
 */

/** Long and timestamptz (microseconds) are bigints. */
export type BoundValue = string | bigint | number | boolean;

/** Undefined for a type of which we have no values. */
export function encodeBound(type: string, value: BoundValue): Uint8Array | undefined {
  const eight = new DataView(new ArrayBuffer(8));
  const bytes = new Uint8Array(eight.buffer);
  switch (type) {
    case "string":
      return Buffer.from(String(value));
    case "long":
    case "timestamp":
    case "timestamptz":
      eight.setBigInt64(0, BigInt(value), true);
      return bytes;
    case "double":
      eight.setFloat64(0, Number(value), true);
      return bytes;
    case "boolean":
      return Uint8Array.of(Number(value));
    default:
      return undefined;
  }
}

/** Negative where `a` is lower. Undefined where it can't be said. */
export function compareBounds(type: string, a: Uint8Array, b: Uint8Array): number | undefined {
  if (type === "string") return Buffer.compare(a, b);
  const [left, right] = [numberOf(type, a), numberOf(type, b)];
  if (left === undefined || right === undefined || Number.isNaN(Number(left)) || Number.isNaN(Number(right)))
    return undefined;
  return left < right ? -1 : Number(left > right);
}

/** An int or a float may be where the column was widened later. */
function numberOf(type: string, bytes: Uint8Array): bigint | number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case "long":
    case "timestamp":
    case "timestamptz":
      if (bytes.length === 8) return view.getBigInt64(0, true);
      return bytes.length === 4 ? BigInt(view.getInt32(0, true)) : undefined;
    case "double":
      if (bytes.length === 8) return view.getFloat64(0, true);
      return bytes.length === 4 ? view.getFloat32(0, true) : undefined;
    case "boolean":
      return bytes[0];
    default:
      return undefined;
  }
}

export interface Bounds {
  readonly lower: Uint8Array | undefined;
  readonly upper: Uint8Array | undefined;
}

/** Whether a column of those bounds may have a value in the range, both ends included. True where nothing is known. */
export function mayOverlap(type: string, { lower, upper }: Bounds, from: Uint8Array, until: Uint8Array): boolean {
  const above = lower !== undefined && (compareBounds(type, lower, until) ?? 0) > 0;
  const below = upper !== undefined && (compareBounds(type, upper, from) ?? 0) < 0;
  return !above && !below;
}

export function mayContain(type: string, bounds: Bounds, value: Uint8Array): boolean {
  return mayOverlap(type, bounds, value, value);
}

/** The lower bound of a text that is at most `longest` bytes long: as much of it as is whole characters. */
export function cutLower(bytes: Uint8Array, longest: number): Uint8Array {
  return bytes.length <= longest ? bytes : bytes.subarray(0, characterEnd(bytes, longest));
}

/** The upper bound of a text: what is left of it, with its last character raised. Undefined if none can be. */
export function cutUpper(bytes: Uint8Array, longest: number): Uint8Array | undefined {
  if (bytes.length <= longest) return bytes;
  const characters = Array.from(Buffer.from(bytes.subarray(0, characterEnd(bytes, longest))).toString());
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const next = (last.codePointAt(0) ?? 0) + 1;
    // Surrogates aren't characters, and there is none after the last.
    const raised = next === 0xd800 ? 0xe000 : next;
    if (raised <= 0x10ffff) return Buffer.from(characters.join("") + String.fromCodePoint(raised));
  }
  return undefined;
}

/** The end of the last whole character of UTF-8 within the first `longest` bytes. */
function characterEnd(bytes: Uint8Array, longest: number): number {
  let end = longest;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
