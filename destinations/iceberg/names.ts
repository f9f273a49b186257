/**
 * Names of the files of a table. Each has the attempt that wrote it, so that no two attempts share one, and begins with the
 * interval, so that the next load of a batch finds what a dead attempt has left. Pure.
 */
import { randomBytes } from "node:crypto";
import { intervalName } from "../../src/intervals/interval.ts";
import type { Batch } from "../destination.ts";

/** Table properties. */
export const PROPERTIES = {
  export: "replayport.export",
  installation: "replayport.installation",
  /** The path of the ledger (ledger_file.ts). In the summary of a snapshot: the ledger as of that snapshot. */
  ledger: "replayport.ledger",
} as const;

/** What a commit is for. */
export interface Work {
  /** The name of the batch's interval, or what else it is about: `records`. */
  readonly about: string;
  readonly attempt: string;
}

export function workOf({ interval, attempt }: Pick<Batch, "interval" | "attempt">): Work {
  return { about: intervalName(interval), attempt };
}

function folder(location: string, name: "data" | "metadata"): string {
  return `${location.replace(/\/+$/, "")}/${name}/`;
}

/** The folders of all files. */
export function folders(location: string): [data: string, metadata: string] {
  return [folder(location, "data"), folder(location, "metadata")];
}

/** What the names of all files about one interval begin with. */
export function prefixes(location: string, about: string): [data: string, metadata: string] {
  return [`${folder(location, "data")}${about}.`, `${folder(location, "metadata")}replayport-${about}.`];
}

export function dataFile(location: string, { about, attempt }: Work, index: number): string {
  return `${prefixes(location, about)[0]}${attempt}.${index}.parquet`;
}

/** The files of one try to commit. */
export interface TryNames {
  /** Position deletes are in the data's folder: S3 Tables takes no Parquet below `metadata`. */
  readonly deletes: (index: number) => string;
  readonly manifest: (index: number) => string;
  readonly list: string;
  readonly ledger: string;
  /** Most receipts of the ledger. */
  readonly base: string;
  readonly gone: string;
}

/** @param tries how often the attempt has lost against others before */
export function tryNames(location: string, { about, attempt }: Work, tries: number): TryNames {
  const [data, metadata] = prefixes(location, about);
  const work = `${attempt}.${tries}`;
  return {
    deletes: (index) => `${data}${work}.deletes-${index}.parquet`,
    manifest: (index) => `${metadata}${work}.manifest-${index}.avro`,
    list: `${metadata}${work}.list.avro`,
    ledger: `${metadata}${work}.ledger.avro`,
    base: `${metadata}${work}.base.avro`,
    gone: `${metadata}${work}.gone.avro`,
  };
}

const OURS =
  /\/(?:data\/|metadata\/replayport-)(?<about>[^/.]+)\.(?<attempt>[0-9a-z]{12})\.\d+\.(?:[a-z]+-?\d*\.)?(?:parquet|avro)$/;

/** The attempt that wrote a file; undefined where the name isn't one of ours. */
export function attemptOf(path: string): string | undefined {
  return OURS.exec(path)?.groups?.["attempt"];
}

/** Work that isn't a batch's. */
export function newWork(about: string): Work {
  const attempt = BigInt(`0x${randomBytes(8).toString("hex")}`)
    .toString(36)
    .padStart(12, "0")
    .slice(-12);
  return { about, attempt };
}
