/** Values as JSON: a date becomes text and undefined becomes null, so every field is always there. */
import { printable } from "../text.ts";

export type Json<T> = T extends undefined
  ? null
  : T extends Date
    ? string
    : T extends readonly (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { -readonly [Key in keyof T]: Json<T[Key]> }
        : T;

/** The value with all of its texts printable: they may come from another process, through Redis. */
export function printableTexts<T>(value: T): T {
  if (typeof value === "string") return printable(value) as T;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(printableTexts) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, printableTexts(item)])) as T;
}

export function toJson<T>(value: T): Json<T> {
  return convert(printableTexts(value)) as Json<T>;
}

function convert(value: unknown): unknown {
  if (value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(convert);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convert(item)]));
}
