import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { DEFAULT_PATH, openFileLake, openLakeOn, type LakeOptions } from "../../../destinations/lake/index.ts";
import { openS3Lake } from "../../../destinations/lake/s3.ts";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import type { Crash } from "../../support/crash.ts";
import { s3Server, type S3Server } from "../../support/s3.ts";
import type { Unavailable } from "../../support/tools.ts";
import { filesBelow, temporaryFolder } from "../../support/temporary_folder.ts";
import { EXPORT } from "../../conformance/batches.ts";
import type { CrashingTarget, Harness, HarnessResult, Target } from "../../conformance/harness.ts";
import { HookedStore } from "../../support/hooked_store.ts";
import { lakeRows } from "./lake_rows.ts";

/** A clean-up that fails is a fault in these tests, not a warning. */
const DEPS: DestinationDeps = {
  now: () => new Date(),
  version: "0.0.0-test",
  onWarning: (message, detail) => {
    throw new Error(message, { cause: detail });
  },
};

/** Removes what is replaced at once, unless the options say otherwise. */
export function openTestLake(options: LakeOptions, deps: Partial<DestinationDeps> = {}): Destination {
  const all = { ...DEPS, ...deps };
  return options.type === "s3"
    ? openS3Lake({ keepReplacedMs: 0, ...options }, { export: EXPORT }, all)
    : openFileLake({ keepReplacedMs: 0, ...options }, { export: EXPORT }, all);
}

const LAKE: Pick<Harness, "countsRows"> = { countsRows: false };

export function fileLake(): Promise<HarnessResult> {
  return Promise.resolve({
    ...LAKE,
    type: "file",
    crash: { steps: 48, block: 1, atLeast: { old: 6, new: 6, dead: 1 } },
    async open() {
      const folder = await temporaryFolder();
      const path = join(folder.path, "lake");
      const target = lakeTarget({
        open: () => openTestLake({ type: "file", path }),
        folder: () => Promise.resolve(path),
        unfinished: () => Promise.resolve([]),
        secrets: [],
        close: () => folder.remove(),
      });
      return { ...target, crashing: crashingFolder(path) };
    },
    // A file where the folder should be: refused to root as well, which permissions are not.
    openBroken: () => Promise.resolve([openTestLake({ type: "file", path: join(import.meta.filename, "lake") })]),
  });
}

/** A lake whose store lists in another order each time, as S3 Express and some servers do. */
export async function unsortedLake(): Promise<HarnessResult> {
  const sorted = await fileLake();
  if ("skip" in sorted) return sorted;
  return {
    ...sorted,
    type: "file, listed in random order",
    async open() {
      const folder = await temporaryFolder();
      return lakeTarget({
        open: () => openLakeOn(unsortedStore(folder.path), { keepReplacedMs: 0 }, { export: EXPORT }, DEPS),
        folder: () => Promise.resolve(folder.path),
        unfinished: () => Promise.resolve([]),
        secrets: [],
        close: () => folder.remove(),
      });
    },
  };
}

export function unsortedStore(path: string): HookedStore {
  return new HookedStore(new DiskStore(path), {}, shuffled);
}

/** Fisher and Yates. Not seeded: a failure is found again by running it again. */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    const [one, two] = [mixed[at], mixed[other]];
    if (one !== undefined && two !== undefined) [mixed[at], mixed[other]] = [two, one];
  }
  return mixed;
}

function crashingFolder(path: string): CrashingTarget {
  return {
    async open({ step }: Crash) {
      const store = new HookedStore(new DiskStore(path), { around: step });
      const deps = { ...DEPS, onWarning: () => undefined };
      return openLakeOn(store, { keepReplacedMs: 0 }, { export: EXPORT, path: DEFAULT_PATH }, deps);
    },
    looseRows: async () => await lakeRows(path, "folder"),
    async visibleFiles({ interval }) {
      const files = await filesBelow(path);
      const data = (name: string): boolean =>
        name.startsWith(`${intervalName(interval)}.`) && name.endsWith(".parquet");
      return files.filter((file) => data(basename(file))).length;
    },
  };
}

export async function s3Lake(found: Promise<S3Server | Unavailable> = s3Server()): Promise<HarnessResult> {
  const server = await found;
  if ("skip" in server) return server;
  return {
    ...LAKE,
    type: "s3",
    async open() {
      const bucket = await server.bucket();
      const options = s3Options(server, bucket);
      const mirror = await temporaryFolder();
      return lakeTarget({
        open: () => openTestLake(options),
        folder: () => download(server, bucket, options.prefix, mirror.path),
        unfinished: () => unfinishedUploads(server, bucket),
        secrets: Object.values(server.credentials),
        close: () => mirror.remove(),
      });
    },
    openBroken: () =>
      Promise.resolve([
        ...(server.knowsBuckets ? [openTestLake(s3Options(server, "replayport-no-such-bucket"))] : []),
        openTestLake({ ...s3Options(server, "any"), endpoint: "http://127.0.0.1:1", maxAttempts: 1 }),
      ]),
  };
}

export function s3Options(
  server: S3Server,
  bucket: string,
): Extract<LakeOptions, { type: "s3" }> & { readonly prefix: string } {
  const { endpoint, region, credentials } = server;
  return { type: "s3", bucket, prefix: "acme/replays", endpoint, region, credentials, forcePathStyle: true };
}

interface LakeParts {
  readonly open: () => Destination;
  /** A folder with all that is in the lake now. */
  readonly folder: () => Promise<string>;
  readonly unfinished: () => Promise<string[]>;
  readonly secrets: readonly string[];
  readonly close: () => Promise<void>;
}

function lakeTarget({ open, folder, unfinished, secrets, close }: LakeParts): Target {
  return {
    secrets,
    open: () => Promise.resolve(open()),
    rows: async () => await lakeRows(await folder(), "manifests"),
    async leftovers() {
      const path = await folder();
      const keys = await filesBelow(path);
      const manifests = keys.filter((key) => /^_replayport\/sessions\/[^/.]+\.\d{6}\.[\w.]+\.json$/.test(key));
      const named = new Set(manifests);
      for (const key of manifests) {
        const manifest = JSON.parse(await readFile(join(path, key), "utf8")) as Record<
          "files" | "kept",
          { key: string }[]
        >;
        for (const file of [...manifest.files, ...manifest.kept]) named.add(file.key);
      }
      return [...keys.filter((key) => !named.has(key)), ...(await unfinished())];
    },
    async ledgerText() {
      const path = await folder();
      const keys = (await filesBelow(path)).filter((key) => key.startsWith("_replayport/"));
      return (await Promise.all(keys.map((key) => readFile(join(path, key), "utf8")))).join("\n");
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Everything in the bucket, into the folder; what lies outside of the prefix is there under `outside/`. */
async function download({ client }: S3Server, Bucket: string, prefix: string, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  for (const { Key = "" } of Contents) {
    const key = Key.startsWith(`${prefix}/`) ? Key.slice(prefix.length + 1) : `outside/${Key}`;
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    const path = join(folder, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, (await Body?.transformToByteArray()) ?? "");
  }
  return folder;
}

export async function unfinishedUploads({ client }: S3Server, Bucket: string): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
  return Uploads.map(({ Key }) => `unfinished ${Key}`);
}
