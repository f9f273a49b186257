/** Durations and sizes as people write them. */

/** Why a text was refused. Neither sentence repeats the text: it may be a secret. */
export interface Refusal {
  readonly problem: string;
  readonly fix: string;
}

export type Parsed<T> = { readonly value: T } | Refusal;

const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
const UNITS_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};
const DURATION = /^(\d+)([smhdw])$/;
export const DURATION_PATTERN = DURATION.source;

/** Whole seconds, in milliseconds: `90s`, `5m`, `2h`, `3d`, `1w`. A day is 24 hours, whatever the clock does. */
export function parseDuration(text: string): Parsed<number> {
  const [, digits = "", unit = ""] = DURATION.exec(text.trim()) ?? [];
  const value = Number(digits) * (UNITS_MS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(value)) return { value };
  return { problem: "not a duration", fix: "Write a whole number and a unit: 90s, 5m, 2h, 3d or 1w." };
}

/** The shortest text that parseDuration turns back into `ms`: 5400000 → `90m`. */
export function formatDuration(ms: number): string {
  const [unit, size] = Object.entries(UNITS_MS).findLast(([, one]) => ms >= one && ms % one === 0) ?? ["s", SECOND_MS];
  return `${ms / size}${unit}`;
}

const UNITS_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const SIZE = /^(\d+(?:\.\d+)?) ?([kKMGT]i?B|B)?$/;
export const SIZE_PATTERN = SIZE.source;

/** Bytes: `4GiB`, `512MiB`, `1.5GiB`, `4GB` (decimal), `4294967296`. */
export function parseSize(text: string): Parsed<number> {
  const [, digits = "", unit = ""] = SIZE.exec(text.trim()) ?? [];
  const value = digits === "" ? Number.NaN : Math.round(Number(digits) * (UNITS_BYTES[unit] ?? Number.NaN));
  if (Number.isSafeInteger(value)) return { value };
  return { problem: "not a size", fix: "Write bytes as a number, or a number and a unit: 512MiB or 4GiB." };
}
