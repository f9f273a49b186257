/** The source: a ClickHouse server or the embedded engine. */
import { resolve } from "node:path";
import * as z from "zod";
import { duration, field, httpUrl, optional, SECRET, text } from "./values/fields.ts";

const DEFAULT_TABLE = "session_replay_events";

const table = text.prefault(DEFAULT_TABLE).describe("The table of replays. A Distributed table is fine.");

const clickhouseSchema = z
  .strictObject({
    url: field(httpUrl, "ClickHouse's HTTP interface.", "https://clickhouse.acme.internal:8443"),
    username: text.prefault("default").describe("A user that can read the table. Read-only is enough."),
    password: field(z.string().meta(SECRET).prefault(""), "Best taken from the environment.", "${CLICKHOUSE_PASSWORD}"),
    database: text.prefault("posthog").describe("The database that holds the table."),
    table,
    request_timeout: field(duration(1000, 24 * 3600 * 1000).prefault("10m"), "How long one request may take.", "10m"),
    ca_file: optional(text, "A PEM file with the certificates to trust, relative to this file."),
  })
  .describe("A ClickHouse server.");

const embeddedSchema = field(
  z.union([
    text,
    z.strictObject({
      path: field(text, "The data directory, relative to this file.", "./data/clickhouse"),
      database: text.prefault("default").describe("The database that holds the table."),
      table,
    }),
  ]),
  "The embedded engine and its data directory: no server needed.",
  "./data/clickhouse",
);

export const sourceSchema = z
  .strictObject({ clickhouse: clickhouseSchema.optional(), embedded: embeddedSchema.optional() })
  .describe("Where replays are read from: clickhouse or embedded.")
  .meta({ minProperties: 1, maxProperties: 1 });

export type SourceConfig = NonNullable<ReturnType<typeof resolveSource>>;

/** Undefined if there is none. @param folder where relative paths start */
export function resolveSource({ clickhouse, embedded }: Partial<z.output<typeof sourceSchema>>, folder: string) {
  if (clickhouse) {
    const { request_timeout, ca_file, ...server } = clickhouse;
    const caFile = ca_file === undefined ? {} : { caFile: resolve(folder, ca_file) };
    return { kind: "clickhouse" as const, ...server, requestTimeoutMs: request_timeout, ...caFile };
  }
  if (embedded === undefined) return undefined;
  const own = typeof embedded === "string" ? { path: embedded, database: "default", table: DEFAULT_TABLE } : embedded;
  return { kind: "embedded" as const, ...own, path: resolve(folder, own.path) };
}
