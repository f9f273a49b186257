/** A dataset, a proxy that breaks things, and a destination behind it. */
import assert from "node:assert/strict";
import type { BigQueryOptions } from "../../../destinations/bigquery/index.ts";
import type { Destination, DestinationDeps, Receipt } from "../../../destinations/destination.ts";
import { bigqueryOptions, openTestBigQuery, seenRows, TABLE } from "./harness.ts";
import { Batches } from "../../conformance/batches.ts";
import type { SeenRow } from "../../conformance/harness.ts";
import { EVERYTHING } from "../../conformance/context.ts";
import { type BigQueryServer, bigqueryServer, PROJECT } from "./emulator.ts";
import { type FaultProxy, openFaultProxy, type ProxiedRequest } from "../../support/fault_proxy.ts";

export interface BigQueryFixture extends AsyncDisposable {
  readonly server: BigQueryServer;
  readonly dataset: string;
  readonly batches: Batches;
  readonly proxy: FaultProxy;
  /** Behind the proxy. */
  open(options?: Partial<BigQueryOptions>, deps?: Partial<DestinationDeps>): Destination;
  /** Past the proxy. */
  healthy(options?: Partial<BigQueryOptions>): Destination;
  rows(): Promise<SeenRow[]>;
  receipts(): Promise<Receipt[]>;
  leftovers(): Promise<string[]>;
  readonly select: (sql: string) => ReturnType<BigQueryServer["select"]>;
}

/** For `{ skip }`: why there is no emulator here, or false. */
export async function bigquerySkip(): Promise<string | false> {
  const server = await bigqueryServer();
  return "skip" in server ? server.skip : false;
}

export async function openBigQueryFixture(): Promise<BigQueryFixture> {
  const server = await bigqueryServer();
  assert.ok(!("skip" in server), "asked for a fixture without an emulator");
  const dataset = await server.dataset();
  const proxy = await openFaultProxy(server.url);
  const batches = await Batches.open();
  const quiet = { onWarning: () => undefined };
  const healthy = (options: Partial<BigQueryOptions> = {}): Destination =>
    openTestBigQuery({ ...bigqueryOptions(server, dataset), ...options });
  return {
    server,
    dataset,
    batches,
    proxy,
    healthy,
    open: (options = {}, deps = {}) =>
      openTestBigQuery({ ...bigqueryOptions(proxy, dataset), maxAttempts: 1, ...options }, { ...quiet, ...deps }),
    rows: () => seenRows(server, dataset),
    receipts: () => Array.fromAsync(healthy().receipts(EVERYTHING, AbortSignal.timeout(60_000))),
    leftovers: async () =>
      (await server.tables(dataset)).filter(
        (table) => ![TABLE, "_replayport_receipts", "_replayport_audits"].includes(table),
      ),
    select: (sql) => server.select(sql.replaceAll("TABLE_", `\`${PROJECT}.${dataset}.${TABLE}\``)),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await batches[Symbol.asyncDispose]();
    },
  };
}

/** Only this request begins the upload of a staged file. */
export function beginsUpload({ method, path }: ProxiedRequest): boolean {
  return method === "POST" && path.startsWith("/upload/");
}

/** The insertion of a job that is no upload. */
export function insertsJob({ method, path }: ProxiedRequest): boolean {
  return method === "POST" && /^\/bigquery\/v2\/projects\/[^/]+\/jobs(\?|$)/.test(path);
}

/** Of the next load: the commit is the last job that it inserts, and the second after the list of tables. */
export function commitOf(fixture: BigQueryFixture): (request: ProxiedRequest) => boolean {
  const seen = fixture.proxy.requests.length;
  return (request) =>
    insertsJob(request) &&
    fixture.proxy.requests.slice(seen).some(({ method, path }) => method === "GET" && /\/tables\?/.test(path)) &&
    !insertedSinceList(fixture, seen);
}

/** The query that counts the staged rows comes between the list and the commit. */
function insertedSinceList({ proxy }: BigQueryFixture, from: number): boolean {
  const requests = proxy.requests.slice(from);
  const list = requests.findLastIndex(({ method, path }) => method === "GET" && /\/tables\?/.test(path));
  return requests.slice(list + 1, -1).filter(insertsJob).length !== 1;
}

export function dropsTable({ method }: ProxiedRequest): boolean {
  return method === "DELETE";
}

/** As the API says it. */
export function refusal(code: number, reason: string, message: string, headers: Record<string, string> = {}) {
  const body = JSON.stringify({ error: { code, message, errors: [{ domain: "global", reason, message }] } });
  return {
    kind: "answer" as const,
    status: code,
    headers: { "content-type": "application/json; charset=UTF-8", ...headers },
    body,
  };
}
