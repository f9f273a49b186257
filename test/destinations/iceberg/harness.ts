import { randomBytes } from "node:crypto";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { type Catalog, openCatalog } from "../../../destinations/catalog/catalog.ts";
import { openIcebergOn } from "../../../destinations/iceberg/index.ts";
import { readJsonFile } from "../../../destinations/iceberg/json_file.ts";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import type { Store } from "../../../destinations/store/store.ts";
import { EXPORT } from "../../conformance/batches.ts";
import type { HarnessResult, SeenRow, Target } from "../../conformance/harness.ts";
import type { Crash } from "../../support/crash.ts";
import { icebergServer, type IcebergServer } from "../../support/iceberg.ts";
import type { Unavailable } from "../../support/tools.ts";
import { HookedStore } from "../../support/hooked_store.ts";
import { openReader, type Reader } from "./reader.ts";

/** A clean-up that fails is a fault in these tests, not a warning. */
export const DEPS: DestinationDeps = {
  now: () => new Date(),
  version: "0.0.0-test",
  onWarning: (message, detail) => {
    throw new Error(message, { cause: detail });
  },
};

export interface IcebergPlace {
  readonly found: IcebergServer;
  readonly reader: Reader;
}

let opened: Promise<IcebergPlace | Unavailable> | undefined;

/** One server and one reader for all tests of a process. */
export function icebergPlace(): Promise<IcebergPlace | Unavailable> {
  opened ??= (async () => {
    const found = await icebergServer();
    if ("skip" in found) return found;
    const reader = await openReader(found);
    return "skip" in reader ? reader : { found, reader };
  })();
  return opened;
}

/** A table of its own in a namespace of its own. */
export function freshOptions(found: IcebergServer, way: "oauth2" | "sigv4" = "oauth2"): IcebergOptions {
  const { bucket: _, ...keys } = found.storage;
  const namespace = [`test_${randomBytes(6).toString("hex")}`];
  return { type: "iceberg", catalog: found.options(way), namespace, table: "replays", storage: keys };
}

export interface TestTable {
  /** Carries out each request to the catalog and each call of a store. */
  readonly around?: Crash["step"] | undefined;
  readonly export?: string;
}

export function openTestTable(
  options: IcebergOptions,
  deps: Partial<DestinationDeps> = {},
  { around, export: name = EXPORT }: TestTable = {},
): Destination {
  const all = { ...DEPS, ...deps };
  const catalog = openCatalog(options.catalog);
  const store = (bucket: ConstructorParameters<typeof S3Store>[0]): Store =>
    around ? new HookedStore(new S3Store(bucket), { around }) : new S3Store(bucket);
  return openIcebergOn(around ? hooked(catalog, around) : catalog, store, options, { export: name }, all);
}

/** The same catalog, with a hook around each request. */
export function hooked(catalog: Catalog, around: Crash["step"]): Catalog {
  return new Proxy(catalog, {
    get(target, name): unknown {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== "function") return member;
      const call = (...args: unknown[]) => Reflect.apply(member, target, args) as Promise<unknown>;
      return (...args: unknown[]) => around(String(name), () => call(...args));
    },
  });
}

export async function icebergHarness(way: "oauth2" | "sigv4" = "oauth2"): Promise<HarnessResult> {
  const place = await icebergPlace();
  if ("skip" in place) return place;
  const { found } = place;
  return {
    type: way === "oauth2" ? "iceberg" : `iceberg, ${way}`,
    countsRows: true,
    crash: { steps: 28, block: 7, atLeast: { old: 15, new: 1 } },
    open: () => Promise.resolve(icebergTarget(place, freshOptions(found, way))),
    openBroken() {
      const options = freshOptions(found, way);
      const storage = { ...options.storage, credentials: { accessKeyId: "nobody", secretAccessKey: "wrong" } };
      return Promise.resolve([
        openTestTable({ ...options, catalog: { ...options.catalog, uri: "http://127.0.0.1:1" } }),
        ...(found.server.checksTokens
          ? [openTestTable({ ...options, catalog: { ...options.catalog, auth: { type: "token", token: "wrong" } } })]
          : []),
        openTestTable({ ...options, storage: { ...storage, maxAttempts: 1 } }),
      ]);
    },
  };
}

export function icebergTarget({ found, reader }: IcebergPlace, options: IcebergOptions): Target {
  const table = { namespace: options.namespace, table: options.table ?? EXPORT };
  const paths = async (): Promise<string[]> => await filesOf(found, `${options.namespace.join("/")}/`);
  return {
    secrets: Object.values(found.server.credentials),
    open: () => Promise.resolve(openTestTable(options)),
    async rows() {
      const rows = (await reader.rows(table, ["session_id", "value", "_version"])) ?? [];
      return rows
        .map((row) => ({ session: row["session_id"], value: row["value"], version: row["_version"] }) as SeenRow)
        .sort((one, other) => (one.session < other.session ? -1 : 1));
    },
    async leftovers() {
      const needed = new Set(await reader.needed(table));
      // The catalog's own, and folders as SeaweedFS lists them.
      return (await paths()).filter(
        (path) => !needed.has(path) && !path.endsWith(".metadata.json") && !path.endsWith("/"),
      );
    },
    async ledgerText() {
      const about = await reader.about(table);
      const ledger = about?.properties["replayport.ledger"];
      const text = ledger === undefined ? "" : await readText(found, ledger);
      return `${JSON.stringify(about)}${text}`;
    },
    crashing: {
      open: ({ step }) => Promise.resolve(openTestTable(options, { onWarning: () => undefined }, { around: step })),
    },
    async [Symbol.asyncDispose]() {
      const catalog = openCatalog(options.catalog);
      const signal = AbortSignal.timeout(30_000);
      await catalog.dropTable({ namespace: table.namespace, name: table.table }, signal).catch(() => undefined);
    },
  };
}

export async function filesOf({ server }: IcebergServer, prefix: string): Promise<string[]> {
  const found: string[] = [];
  let token: string | undefined;
  do {
    const page = await server.client.send(
      new ListObjectsV2Command({ Bucket: server.tableBucket, Prefix: prefix, ContinuationToken: token }),
    );
    for (const { Key = "" } of page.Contents ?? []) found.push(`s3://${server.tableBucket}/${Key}`);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return found;
}

/** The texts that a ledger or a file of gone rows holds. */
async function readText({ server }: IcebergServer, path: string): Promise<string> {
  const Key = path.slice(`s3://${server.tableBucket}/`.length);
  const { Body } = await server.client.send(new GetObjectCommand({ Bucket: server.tableBucket, Key }));
  return JSON.stringify(readJsonFile((await Body?.transformToByteArray()) ?? new Uint8Array()));
}
