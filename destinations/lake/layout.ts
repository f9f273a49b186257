/** The keys of a lake's manifests and data files, relative to the bucket's prefix or to the folder. Pure. */
import { compactTime, intervalName, parseIntervalName, type Interval } from "../../src/intervals/interval.ts";

/** The folder of all manifests. Query engines skip names that begin with an underscore. */
export const LEDGER = "_replayport";

const GENERATION_DIGITS = 6;
const MANIFEST_NAME = /^(?<interval>[^./]+)\.(?<generation>\d{6})\.json$/;

/** What a manifest's key says. */
export interface ManifestName {
  readonly key: string;
  readonly interval: Interval;
  readonly generation: number;
}

/** Every manifest of the export begins with this, and nothing else does. */
export function manifestPrefix(exportName: string): string {
  return `${LEDGER}/${exportName}/`;
}

export function manifestKey(exportName: string, interval: Interval, generation: number): string {
  const digits = String(generation).padStart(GENERATION_DIGITS, "0");
  return `${generationsPrefix(exportName, interval)}${digits}.json`;
}

/** Every manifest of exactly this interval begins with this, whatever its generation. */
export function generationsPrefix(exportName: string, interval: Interval): string {
  return `${manifestPrefix(exportName)}${intervalName(interval)}.`;
}

/** Undefined where the key isn't that of a manifest of this export. */
export function parseManifestKey(exportName: string, key: string): ManifestName | undefined {
  const prefix = manifestPrefix(exportName);
  if (!key.startsWith(prefix)) return undefined;
  const parts = MANIFEST_NAME.exec(key.slice(prefix.length))?.groups;
  const interval = parseIntervalName(parts?.["interval"] ?? "");
  if (!interval) return undefined;
  return { key, interval, generation: Number(parts?.["generation"]) };
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
