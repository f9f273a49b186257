/** A catalog and its storage in memory, without a server: for what a table's metadata says, and for many loads. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Catalog, type CommitAnswer, type LoadedTable } from "../../../destinations/catalog/catalog.ts";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { openIcebergOn } from "../../../destinations/iceberg/index.ts";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import type { Store } from "../../../destinations/store/store.ts";
import { parseJson, printJson } from "../../../destinations/table_format/json.ts";
import { readTableMetadata } from "../../../destinations/table_format/metadata.ts";
import { schemaJson } from "../../../destinations/table_format/schema_json.ts";
import { ReplayportError, retry } from "../../../src/errors.ts";
import { EXPORT } from "../../support/batches.ts";
import { DEPS } from "./harness.ts";

/** JSON of a table's metadata, as a catalog gives it. */
export type Json = Record<string, unknown>;
type Update = Json & { readonly action: string };
interface Body {
  readonly requirements: readonly Json[];
  readonly updates: readonly Update[];
}

export class MemoryLake {
  /** What the one table is; undefined if there is none. */
  table: Json | undefined;
  /** By key, in the one bucket. */
  readonly files = new Map<string, { readonly bytes: Uint8Array; readonly modified: Date }>();
  /** The bodies of commits, applied or not. */
  readonly commits: Body[] = [];
  /** Whether the table's name is a view's. */
  isView = false;

  get properties(): Record<string, string> {
    return (this.table?.["properties"] ?? {}) as Record<string, string>;
  }

  get snapshots(): Json[] {
    return (this.table?.["snapshots"] ?? []) as Json[];
  }

  open(options: Partial<IcebergOptions> = {}, deps: Partial<DestinationDeps> = {}): Destination {
    const catalog = { uri: "memory:", auth: { type: "none" } } as const;
    const all: IcebergOptions = { type: "iceberg", catalog, namespace: ["n"], table: "replays", ...options };
    return openIcebergOn(this.catalog(), () => this.store(), all, { export: EXPORT }, { ...DEPS, ...deps });
  }

  catalog(): Catalog {
    const loaded = (): LoadedTable => ({
      metadataLocation: undefined,
      metadata: readTableMetadata(parseJson(printJson(this.table))),
      config: {},
      credentials: [],
    });
    return {
      name: `memory ${randomUUID()}`,
      checkConfig: () => Promise.resolve(),
      namespaceExists: () => Promise.resolve(true),
      createNamespace: () => Promise.resolve("exists"),
      dropNamespace: () => Promise.resolve(),
      viewExists: () => Promise.resolve(this.isView),
      loadTable: () => Promise.resolve(this.table && !this.isView ? loaded() : undefined),
      createTable: (_id, { schema, properties }) => {
        if (this.table || this.isView) return Promise.resolve("exists");
        const highest = Math.max(...schema.fields.map(({ id }) => id));
        this.table = { ...emptyTable(), schemas: [schemaJson(schema)], properties, "last-column-id": highest + 10 };
        return Promise.resolve(loaded());
      },
      dropTable: () => Promise.resolve(void (this.table = undefined)),
      commit: (_id, body) => Promise.resolve(this.#commit(parseJson(body) as Body)),
    };
  }

  #commit(body: Body): CommitAnswer {
    this.commits.push(body);
    const table = this.table ?? emptyTable();
    for (const { type, "snapshot-id": asserted } of body.requirements) {
      const current = table["current-snapshot-id"] ?? null;
      if (type !== "assert-ref-snapshot-id" || printJson(asserted) === printJson(current)) continue;
      return { answer: "unknown", status: 409, error: new ReplayportError("conflict", retry("catalog.conflict", "")) };
    }
    this.table = body.updates.reduce<Json>(applied, structuredClone(table));
    return { answer: "won" };
  }

  store(): Store {
    const { files } = this;
    const refused = () => Promise.reject(new Error("not in these tests"));
    return {
      name: "memory",
      locate: (key) => key,
      // oxlint-disable-next-line typescript/require-await -- a list that is pulled from.
      async *list(prefix) {
        for (const [key, { bytes, modified }] of files)
          if (key.startsWith(prefix)) yield { key, bytes: bytes.length, modified };
      },
      read: refused,
      readRange: (key, start, end) => Promise.resolve(files.get(key)?.bytes.subarray(start, end)),
      async putFile(key, { path }) {
        files.set(key, { bytes: await readFile(path), modified: new Date() });
      },
      prepare: refused,
      put: refused,
      createExclusive(key, content, modified) {
        files.set(key, { bytes: Buffer.from(content), modified });
        return Promise.resolve("created");
      },
      delete: (keys) => Promise.resolve(keys.forEach((key) => files.delete(key))),
      unfinished: () => Promise.resolve([]),
      discard: refused,
      checkLargeFiles: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

export function emptyTable(): Json {
  return {
    "format-version": 2,
    "table-uuid": randomUUID(),
    location: "s3://lake/t",
    "last-sequence-number": 0,
    "last-updated-ms": 1,
    "last-column-id": 0,
    schemas: [{ type: "struct", "schema-id": 0, fields: [] }],
    "current-schema-id": 0,
    "partition-specs": [{ "spec-id": 0, fields: [] }],
    "default-spec-id": 0,
    "sort-orders": [{ "order-id": 0, fields: [] }],
    "default-sort-order-id": 0,
    properties: {},
    snapshots: [],
    refs: {},
  };
}

/** What a catalog does with the updates that a load sends. */
function applied(table: Json, { action, ...update }: Update): Json {
  switch (action) {
    case "set-properties":
      return { ...table, properties: { ...(table["properties"] as Json), ...(update["updates"] as Json) } };
    case "add-schema":
      return {
        ...table,
        schemas: [...(table["schemas"] as Json[]), update["schema"]],
        "last-column-id": update["last-column-id"],
      };
    case "set-current-schema":
      return { ...table, "current-schema-id": (table["schemas"] as Json[]).at(-1)?.["schema-id"] };
    case "add-snapshot": {
      const snapshot = update["snapshot"] as Json;
      return {
        ...table,
        snapshots: [...(table["snapshots"] as Json[]), snapshot],
        "last-sequence-number": snapshot["sequence-number"],
        "last-updated-ms": snapshot["timestamp-ms"],
      };
    }
    case "set-snapshot-ref": {
      const { "ref-name": name, ...ref } = update;
      const current = name === "main" ? { "current-snapshot-id": ref["snapshot-id"] } : {};
      return { ...table, ...current, refs: { ...(table["refs"] as Json), [String(name)]: ref } };
    }
    case "remove-snapshots": {
      const ids = new Set((update["snapshot-ids"] as unknown[]).map(String));
      return {
        ...table,
        snapshots: (table["snapshots"] as Json[]).filter((one) => !ids.has(String(one["snapshot-id"]))),
      };
    }
    default:
      throw new Error(`the catalog in memory doesn't know ${action}`);
  }
}
