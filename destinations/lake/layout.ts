/** Where things lie in a lake, as keys relative to the bucket's prefix or to the folder. Pure. */
import { compactTime, intervalName, parseIntervalName, type Interval } from "../../src/intervals/interval.ts";

/** The folder of all manifests. Query engines take a name that begins with an underscore for hidden. */
export const LEDGER = "_replayport";

const GENERATION_DIGITS = 6;
const MANIFEST_NAME = /^(?<interval>[^./]+)\.(?<generation>\d{6})\.json$/;

/** A manifest as far as its key tells. */
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

/** Every manifest of this very interval begins with this, whatever its generation. */
export function generationsPrefix(exportName: string, interval: Interval): string {
  return `${manifestPrefix(exportName)}${intervalName(interval)}.`;
}

/** Undefined where the key is not a manifest's of this export. */
export function parseManifestKey(exportName: string, key: string): ManifestName | undefined {
  const prefix = manifestPrefix(exportName);
  if (!key.startsWith(prefix)) return undefined;
  const parts = MANIFEST_NAME.exec(key.slice(prefix.length))?.groups;
  const interval = parseIntervalName(parts?.["interval"] ?? "");
  if (!interval) return undefined;
  return { key, interval, generation: Number(parts?.["generation"]) };
}

/** Sorts before every manifest whose interval starts at `start`, and after those of earlier ones. */
export function manifestsFrom(exportName: string, start: Date): string {
  return manifestPrefix(exportName) + compactTime(start);
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
