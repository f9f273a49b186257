/**
 * A client of the Iceberg REST catalog protocol, as far as one table needs it.
 * https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml
 */
import { z } from "zod";
import { ReplayportError } from "../../src/errors.ts";
import { printJson } from "../table_format/json.ts";
import { readTableMetadata, type TableMetadata } from "../table_format/metadata.ts";
import { schemaJson, type IcebergSchema } from "../table_format/schema_json.ts";
import { signerOf } from "./auth.ts";
import { type CatalogConfig, readConfig } from "./config.ts";
import { catalogError, missing, notTheProtocol } from "./errors.ts";
import type { CatalogOptions } from "./options.ts";
import { openRequests, type Reply } from "./request.ts";
import { type VendedCredentials, vendedCredentials } from "./vended.ts";

export type { VendedCredentials } from "./vended.ts";

export interface TableId {
  readonly namespace: readonly string[];
  readonly name: string;
}

export interface LoadedTable {
  /** Where the catalog keeps the metadata. Some don't say. */
  readonly metadataLocation: string | undefined;
  readonly metadata: TableMetadata;
  /** The catalog's settings for the table's storage. May hold secrets. */
  readonly config: Readonly<Record<string, string>>;
  /** Empty if the catalog vends none. */
  readonly credentials: readonly VendedCredentials[];
}

export interface NewTable {
  readonly schema: IcebergSchema;
  readonly properties: Readonly<Record<string, string>>;
  /** Default: the catalog chooses. */
  readonly location?: string;
}

/**
 * What an answer to a commit proves.
 *
 * | answer                                   | proves                                              |
 * |------------------------------------------|-----------------------------------------------------|
 * | 200                                      | `won`                                               |
 * | 4xx but 408, 409, 425, 429               | `refused`: this request was never applied           |
 * | 409, 408, 425, 429, 3xx, 5xx, no answer  | `unknown`: 409 also answers our own commit, resent  |
 */
export type CommitAnswer =
  | { readonly answer: "won" }
  | { readonly answer: "refused"; readonly error: ReplayportError }
  /** @param status undefined if there was no answer */
  | { readonly answer: "unknown"; readonly error: ReplayportError; readonly status: number | undefined };

/** Every member rejects with ReplayportError (`catalog.…`), or with `signal.reason`. */
export interface Catalog {
  /** Its address. Holds no secret. */
  readonly name: string;
  /** Asks for the config of the warehouse. Others do that too, once, before their first request. */
  checkConfig(signal: AbortSignal): Promise<void>;
  namespaceExists(namespace: readonly string[], signal: AbortSignal): Promise<boolean>;
  createNamespace(namespace: readonly string[], signal: AbortSignal): Promise<"created" | "exists">;
  dropNamespace(namespace: readonly string[], signal: AbortSignal): Promise<void>;
  /** Undefined if there is no such table, or no such namespace. */
  loadTable(id: TableId, signal: AbortSignal): Promise<LoadedTable | undefined>;
  /** Whether the name is a view's. False for a catalog that knows no views. */
  viewExists(id: TableId, signal: AbortSignal): Promise<boolean>;
  createTable(id: TableId, table: NewTable, signal: AbortSignal): Promise<LoadedTable | "exists">;
  /** Ignores a table that doesn't exist. Its files stay. */
  dropTable(id: TableId, signal: AbortSignal): Promise<void>;
  /**
   * Sends the bytes as they are, once. Rejects only with `signal.reason`, and only if nothing was sent.
   * @param body of `commitBody`; the same again where the outcome of the last try is unknown
   */
  commit(id: TableId, body: string, signal: AbortSignal): Promise<CommitAnswer>;
}

export interface TableCommit {
  readonly requirements: readonly object[];
  readonly updates: readonly object[];
}

/** The body of a commit. Bigints become integers. */
export function commitBody({ namespace, name }: TableId, { requirements, updates }: TableCommit): string {
  return printJson({ identifier: { namespace, name }, requirements, updates });
}

/** Sends nothing yet. */
export function openCatalog(options: CatalogOptions): Catalog {
  const { send, name } = openRequests(options, signerOf(options));
  let configured: Promise<CatalogConfig> | undefined;
  const config = async (signal: AbortSignal): Promise<CatalogConfig> => {
    configured ??= readConfig(options, send, signal).catch((error: unknown) => {
      configured = undefined;
      throw error;
    });
    return await configured;
  };
  const separator = "\u001F";
  const spaceOf = (namespace: readonly string[]): string => encodeURIComponent(namespace.join(separator));
  const path = async (signal: AbortSignal, ...parts: readonly string[]): Promise<string> =>
    [(await config(signal)).base, ...parts].join("/");
  const tablePath = (id: TableId, signal: AbortSignal): Promise<string> =>
    path(signal, "namespaces", spaceOf(id.namespace), "tables", encodeURIComponent(id.name));
  const delegation = options.vendedCredentials === true ? { "x-iceberg-access-delegation": "vended-credentials" } : {};

  const loaded = (reply: Reply, settings: CatalogConfig): LoadedTable => {
    const answer = TABLE.safeParse(reply.json);
    if (!answer.success) throw notTheProtocol(name);
    const json = answer.data;
    const table = { ...settings.tableDefaults, ...json.config };
    return {
      metadataLocation: json["metadata-location"],
      metadata: readTableMetadata(json.metadata),
      config: table,
      credentials: vendedCredentials(json["storage-credentials"], table),
    };
  };

  return {
    name,
    async checkConfig(signal) {
      await config(signal);
    },
    async namespaceExists(namespace, signal) {
      const what = `read namespace ${namespace.join(".")}`;
      const reply = await send({ method: "GET", path: await path(signal, "namespaces", spaceOf(namespace)) }, signal);
      if (reply.status === 404) return false;
      if (!reply.ok) throw catalogError(reply, what, name);
      return true;
    },
    async createNamespace(namespace, signal) {
      const what = `create namespace ${namespace.join(".")}`;
      const body = printJson({ namespace, properties: {} });
      const reply = await send({ method: "POST", path: await path(signal, "namespaces"), body }, signal);
      if (reply.status === 409) return "exists";
      if (!reply.ok) throw catalogError(reply, what, name);
      return "created";
    },
    async dropNamespace(namespace, signal) {
      const reply = await send(
        { method: "DELETE", path: await path(signal, "namespaces", spaceOf(namespace)) },
        signal,
      );
      if (!reply.ok && reply.status !== 404) throw catalogError(reply, `drop namespace ${namespace.join(".")}`, name);
    },
    async loadTable(id, signal) {
      const settings = await config(signal);
      const reply = await send({ method: "GET", path: await tablePath(id, signal), headers: delegation }, signal);
      if (missing(reply)) return undefined;
      if (!reply.ok) throw catalogError(reply, `load table ${tableName(id)}`, name);
      return loaded(reply, settings);
    },
    async viewExists(id, signal) {
      const at = await path(signal, "namespaces", spaceOf(id.namespace), "views", encodeURIComponent(id.name));
      const reply = await send({ method: "GET", path: at }, signal);
      return reply.ok && VIEW.safeParse(reply.json).success;
    },
    async createTable(id, { schema, properties, location }, signal) {
      const settings = await config(signal);
      const body = printJson({
        name: id.name,
        ...(location === undefined ? {} : { location }),
        schema: schemaJson(schema),
        "partition-spec": { "spec-id": 0, fields: [] },
        "write-order": { "order-id": 0, fields: [] },
        "stage-create": false,
        properties,
      });
      const at = await path(signal, "namespaces", spaceOf(id.namespace), "tables");
      const reply = await send({ method: "POST", path: at, body, headers: delegation }, signal);
      if (reply.status === 409) return "exists";
      if (!reply.ok) throw catalogError(reply, `create table ${tableName(id)}`, name);
      return loaded(reply, settings);
    },
    async dropTable(id, signal) {
      const at = `${await tablePath(id, signal)}?purgeRequested=false`;
      const reply = await send({ method: "DELETE", path: at }, signal);
      if (!reply.ok && reply.status !== 404) throw catalogError(reply, `drop table ${tableName(id)}`, name);
    },
    async commit(id, body, signal) {
      const at = await tablePath(id, signal);
      signal.throwIfAborted();
      try {
        const reply = await send({ method: "POST", path: at, body }, signal);
        // A proxy's page with status 200 is no commit.
        if (reply.ok && TABLE.safeParse(reply.json).success) return { answer: "won" };
        if (reply.ok) return { answer: "unknown", error: notTheProtocol(name), status: reply.status };
        const error = catalogError(reply, `commit to table ${tableName(id)}`, name);
        const open = reply.status < 400 || reply.status >= 500 || OPEN.has(reply.status);
        return open ? { answer: "unknown", error, status: reply.status } : { answer: "refused", error };
      } catch (error) {
        return { answer: "unknown", error: notAnswered(error, id), status: undefined };
      }
    },
  };
}

/** Some catalogs write null where they have nothing to say. */
const TEXT = z.string().nullish();
const SETTINGS = z
  .record(z.string(), TEXT)
  .nullish()
  .transform((settings): Record<string, string> => {
    const said = Object.entries(settings ?? {}).filter((one): one is [string, string] => typeof one[1] === "string");
    return Object.fromEntries(said);
  });
const TABLE = z.looseObject({
  "metadata-location": TEXT.transform((location) => location ?? undefined),
  metadata: z.looseObject({}),
  config: SETTINGS,
  "storage-credentials": z
    .array(z.object({ prefix: TEXT.transform((prefix) => prefix ?? ""), config: SETTINGS }))
    .nullish()
    .transform((listed) => listed ?? []),
});

const VIEW = z.looseObject({ metadata: z.looseObject({ "view-uuid": z.string() }) });

/** They may be an answer to a request that was applied, or that still may be. */
const OPEN: ReadonlySet<number> = new Set([408, 409, 425, 429]);

function tableName({ namespace, name }: TableId): string {
  return [...namespace, name].join(".");
}

function notAnswered(error: unknown, id: TableId): ReplayportError {
  if (error instanceof ReplayportError) return error;
  return new ReplayportError(`The commit to table ${tableName(id)} was interrupted before its answer came`, {
    code: "catalog.interrupted",
    remedy: "retry",
    cause: error,
  });
}
