/** The keys of a lake's manifests and data files, relative to the bucket's prefix or to the folder. Pure. */
import { hash } from "node:crypto";
import {
  compactTime,
  intervalName,
  parseCompactTime,
  parseIntervalName,
  type Interval,
} from "../../src/intervals/interval.ts";
import type { Batch, RecordKind } from "../destination.ts";

/** The folder of all manifests. Query engines skip names that begin with an underscore. */
export const LEDGER = "_replayport";

const GENERATION_DIGITS = 6;
/** 0.1.0 has no time of the read in the name, and a model may have no watermark. */
const MANIFEST_NAME =
  /^(?<interval>[^./]+)\.(?<generation>\d{6})(?:(?:\.(?<second>\d{8}T\d{6})(?<millis>\d{3})Z(?:\.(?<watermark>\d{8}T\d{6}Z))?)?\.json|(?<claim>\.claim))$/;
const DATA_NAME = /^(?<interval>[^./]+)\.[0-9a-z]{12}\.\d+\.[a-z0-9.]+$/;

/** What the key of a manifest or of a claim says. */
export interface ManifestName {
  readonly key: string;
  /** A claim has the content of the manifest that is going to be written. */
  readonly kind: "manifest" | "claim";
  readonly interval: Interval;
  readonly generation: number;
  /** When the source was read. Undefined for a claim and for a manifest of 0.1.0. */
  readonly readAt: Date | undefined;
  /** How far the source was then. Undefined where `readAt` is, and for a model that can't tell. */
  readonly watermark: Date | undefined;
}

/** Every manifest of the export begins with this, and nothing else does. */
export function manifestPrefix(exportName: string): string {
  return `${LEDGER}/${exportName}/`;
}

/** The folder of an export's records of one kind. */
export function recordsPrefix(exportName: string, kind: RecordKind): string {
  return `${manifestPrefix(exportName)}${kind}/`;
}

/** Sorts as time does. Two records of one millisecond don't take each other's place. */
export function recordKey(exportName: string, kind: RecordKind, at: Date, text: string): string {
  const digest = hash("sha256", text).slice(0, 8);
  return `${recordsPrefix(exportName, kind)}${compactMillis(at)}.${digest}.json`;
}

function compactMillis(time: Date): string {
  return `${compactTime(time).slice(0, -1)}${String(time.getUTCMilliseconds()).padStart(3, "0")}Z`;
}

/** The name has what decides whether the interval is due again, so that a listing is enough, also after the lake was copied. */
export function manifestKey(
  exportName: string,
  generation: number,
  { interval, readAt, watermark }: Pick<Batch, "interval" | "readAt" | "watermark">,
): string {
  const read = `${compactMillis(readAt)}${watermark ? `.${compactTime(watermark)}` : ""}`;
  return `${generationName(exportName, interval, generation)}.${read}.json`;
}

export function claimKey(exportName: string, interval: Interval, generation: number): string {
  return `${generationName(exportName, interval, generation)}.claim`;
}

function generationName(exportName: string, interval: Interval, generation: number): string {
  return generationsPrefix(exportName, interval) + String(generation).padStart(GENERATION_DIGITS, "0");
}

/** Every manifest of exactly this interval begins with this, whatever its generation. */
export function generationsPrefix(exportName: string, interval: Interval): string {
  return `${manifestPrefix(exportName)}${intervalName(interval)}.`;
}

/** Undefined where the key isn't that of a manifest or a claim of this export. */
export function parseManifestKey(exportName: string, key: string): ManifestName | undefined {
  const prefix = manifestPrefix(exportName);
  if (!key.startsWith(prefix)) return undefined;
  const parts = MANIFEST_NAME.exec(key.slice(prefix.length))?.groups;
  const interval = parseIntervalName(parts?.["interval"] ?? "");
  if (!interval) return undefined;
  const readAt = parseCompactTime(`${parts?.["second"] ?? ""}Z`);
  return {
    key,
    kind: parts?.["claim"] === undefined ? "manifest" : "claim",
    interval,
    generation: Number(parts?.["generation"]),
    readAt: readAt && new Date(readAt.getTime() + Number(parts?.["millis"])),
    watermark: parseCompactTime(parts?.["watermark"] ?? ""),
  };
}

/** What breaks listings, or is a separator or a dot to some disk, proxy or gateway. Not in a template, so not in a key either. */
export const ODD = /[\\\p{Cc}\p{Cs}]|%(?:25)*(?:2e|2f|5c|00|c0|c1)/iu;

/** The interval of a data file; undefined where the key isn't one of this export's own folders. Manifests are not believed. */
export function dataFileInterval(exportName: string, key: string): Interval | undefined {
  const folders = key.split("/");
  const name = folders.pop() ?? "";
  // Some disks know no capital letters.
  const own = folders.some((part) => part.includes(exportName)) && folders[0]?.toLowerCase() !== LEDGER;
  if (!own || folders.some((part) => part === "" || part.startsWith(".")) || ODD.test(key)) return undefined;
  return parseIntervalName(DATA_NAME.exec(name)?.groups?.["interval"] ?? "");
}

/**
 * Every manifest whose interval lies within this one begins with this; others may too. What all times of the interval have
 * in common: for an hour `20261001T00`, for a day `20261001T`. A listing of it is short, whatever order the store lists in.
 */
export function manifestsWithinPrefix(exportName: string, { start, end }: Interval): string {
  const [first, last] = [compactTime(start), compactTime(new Date(end.getTime() - 1))];
  let same = 0;
  while (same < first.length && first[same] === last[same]) same += 1;
  return manifestPrefix(exportName) + first.slice(0, same);
}

/** Every data file of the interval begins with this, whichever attempt wrote it. */
export function dataPrefix(path: string, interval: Interval): string {
  return `${path}/${intervalName(interval)}.`;
}

export function dataKey(path: string, interval: Interval, attempt: string, index: number, extension: string): string {
  return `${dataPrefix(path, interval)}${attempt}.${index}${extension}`;
}

/** Whether the key is a data file of this attempt. */
export function isOfAttempt(key: string, path: string, interval: Interval, attempt: string): boolean {
  return key.startsWith(`${dataPrefix(path, interval)}${attempt}.`);
}
