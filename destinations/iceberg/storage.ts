/** The files of a table by their addresses, `s3://bucket/key`, in whatever bucket they are. */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import type { LoadedTable, VendedCredentials } from "../catalog/catalog.ts";
import type { LocalFile } from "../files/read_staged.ts";
import type { RangeReader } from "../parquet/range_reader.ts";
import type { S3Bucket } from "../store/s3_options.ts";
import type { Store, StoredObject } from "../store/store.ts";
import type { IcebergStorage } from "./options.ts";

/** Vended credentials change every hour or so. What is older than this many changes isn't in use any more. */
const MOST_STORES = 16;
/** More than any manifest list has. A file that ends earlier gives what there is. */
const WHOLE = 2 ** 40;

export interface Storage {
  /** Whole. @throws ReplayportError `iceberg.file_missing` */
  read(path: string, signal: AbortSignal): Promise<Uint8Array>;
  /** Undefined if there is no such file. */
  readIfThere(path: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  range(path: string, bytes: number, signal: AbortSignal): RangeReader;
  /** A new file; its name must be one that nobody else uses. */
  create(path: string, content: string | Uint8Array, now: Date, signal: AbortSignal): Promise<void>;
  putFile(path: string, file: LocalFile, signal: AbortSignal): Promise<void>;
  /** Ignores files that don't exist, and those in buckets of S3 Tables, which removes them itself. */
  delete(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Files below a folder; none of a bucket of S3 Tables, which can't be listed. Each has its path in place of the key. */
  list(folder: string, signal: AbortSignal): AsyncIterable<Omit<StoredObject, "key"> & { readonly path: string }>;
  /** Rejects if a large file couldn't be written. May leave a file at this path. */
  checkLargeFiles(path: string, signal: AbortSignal): Promise<void>;
}

/** Buckets of S3 Tables. They let nobody list or remove files, and remove by themselves what no snapshot needs. */
const MANAGED = /--table-s3$/;
const ADDRESS = /^s3[an]?:\/\/(?<bucket>[^/]+)\/(?<key>.*)$/s;

export type OpenStore = (options: S3Bucket) => Store;

/** Opens stores as they're needed; one for each bucket and each set of credentials. */
export class Stores implements AsyncDisposable {
  readonly #options: IcebergStorage;
  readonly #open: OpenStore;
  readonly #stores = new Map<string, Store>();

  constructor(options: IcebergStorage, open: OpenStore) {
    this.#options = options;
    this.#open = open;
  }

  /** @param loaded its credentials are used where the options have none. Undefined: the options' */
  storage(loaded: LoadedTable | undefined): Storage {
    const at = (path: string): { readonly store: Store; readonly key: string } => {
      const { bucket, key } = ADDRESS.exec(path)?.groups ?? {};
      if (bucket === undefined || key === undefined) throw unsupported(path);
      return { store: this.#store(bucket, vendedFor(path, loaded?.credentials ?? [])), key };
    };
    const isManaged = (path: string): boolean => MANAGED.test(ADDRESS.exec(path)?.groups?.["bucket"] ?? "");
    const readIfThere = async (path: string, signal: AbortSignal): Promise<Uint8Array | undefined> => {
      const { store, key } = at(path);
      return await store.readRange(key, 0, WHOLE, signal);
    };
    return {
      readIfThere,
      async read(path, signal) {
        const bytes = await readIfThere(path, signal);
        if (bytes === undefined) throw missingFile(path);
        return bytes;
      },
      range(path, bytes, signal) {
        const { store, key } = at(path);
        return {
          bytes,
          async read(start, end) {
            const part = await store.readRange(key, start, end, signal);
            if (part === undefined) throw missingFile(path);
            if (part.length !== end - start) throw new Error(`it has fewer than ${end} bytes`);
            return part;
          },
        };
      },
      async create(path, content, now, signal) {
        const { store, key } = at(path);
        await store.createExclusive(key, content, now, signal);
      },
      async putFile(path, file, signal) {
        const { store, key } = at(path);
        await store.putFile(key, file, signal);
      },
      async delete(paths, signal) {
        const located = paths.filter((path) => !isManaged(path)).map(at);
        for (const [store, some] of Map.groupBy(located, (one) => one.store)) {
          await store.delete(
            some.map(({ key }) => key),
            signal,
          );
        }
      },
      async *list(folder, signal) {
        if (isManaged(folder)) return;
        const { store, key } = at(folder);
        const root = folder.slice(0, folder.length - key.length);
        for await (const { key: found, ...object } of store.list(key, signal)) yield { path: root + found, ...object };
      },
      async checkLargeFiles(path, signal) {
        const { store, key } = at(path);
        await store.checkLargeFiles(key, signal);
      },
    };
  }

  #store(bucket: string, vended: VendedCredentials | undefined): Store {
    const options = bucketOptions(bucket, this.#options, vended);
    const id = JSON.stringify(options);
    const known = this.#stores.get(id);
    if (known) return known;
    const store = this.#open(options);
    this.#stores.set(id, store);
    const [oldest] = this.#stores;
    if (this.#stores.size > MOST_STORES && oldest) {
      this.#stores.delete(oldest[0]);
      void oldest[1][Symbol.asyncDispose]();
    }
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores.values()) await store[Symbol.asyncDispose]();
  }
}

function vendedFor(path: string, credentials: readonly VendedCredentials[]): VendedCredentials | undefined {
  return credentials.find(({ prefix }) => path.startsWith(prefix));
}

/** What the options say goes before what the catalog says. */
function bucketOptions(
  bucket: string,
  { bucket: _, prefix: __, ...options }: IcebergStorage,
  vended: VendedCredentials | undefined,
): S3Bucket {
  if (!vended) return { ...options, bucket };
  const { accessKeyId, secretAccessKey, sessionToken, region, endpoint, forcePathStyle } = vended;
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    ...options,
    bucket,
  };
}

/** @throws ReplayportError `iceberg.storage` */
export function refuseAddress(location: string): void {
  if (!ADDRESS.test(`${location}/`)) throw unsupported(location);
}

function unsupported(path: string): ReplayportError {
  return new ReplayportError(
    `the table has files in storage that Replayport can't use: ${path}`,
    giveUp("iceberg.storage", "Use a table whose location begins with s3://."),
  );
}

function missingFile(path: string): ReplayportError {
  return new ReplayportError(
    `the table names a file that isn't there: ${path}`,
    retry(
      "iceberg.file_missing",
      "Somebody may have expired its snapshot just now. If it stays, something removed files that the table still needs.",
    ),
  );
}
