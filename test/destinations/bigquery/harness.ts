import { type BigQueryOptions, openBigQuery } from "../../../destinations/bigquery/index.ts";
import type { Destination, DestinationDeps } from "../../../destinations/destination.ts";
import { type BigQueryServer, bigqueryServer, PROJECT, TOKEN } from "./emulator.ts";
import { EXPORT } from "../../conformance/batches.ts";
import { openFaultProxy } from "../../support/fault_proxy.ts";
import { crashingBigQuery } from "./crash.ts";
import type { HarnessResult, SeenRow } from "../../conformance/harness.ts";

export const TABLE = "sessions";

/** A clean-up that fails is a fault in these tests, not a warning. */
const DEPS: DestinationDeps = {
  now: () => new Date(),
  version: "0.0.0-test",
  onWarning: (message, detail) => {
    throw new Error(message, { cause: detail });
  },
};

export function bigqueryOptions(server: Pick<BigQueryServer, "url">, dataset: string): BigQueryOptions {
  return {
    type: "bigquery",
    project: PROJECT,
    dataset,
    table: TABLE,
    credentials: { type: "access_token", token: TOKEN },
    apiEndpoint: server.url,
    maxAttempts: 2,
  };
}

export function openTestBigQuery(options: BigQueryOptions, deps: Partial<DestinationDeps> = {}): Destination {
  return openBigQuery(options, { export: EXPORT }, { ...DEPS, ...deps });
}

export async function seenRows(server: BigQueryServer, dataset: string): Promise<SeenRow[]> {
  if (!(await server.tables(dataset)).includes(TABLE)) return [];
  const rows = await server.select(
    `SELECT session_id, value, _version FROM \`${PROJECT}.${dataset}.${TABLE}\` ORDER BY session_id, _version, value`,
  );
  return rows.map(([session, value, version]) => ({
    session: String(session),
    version: Number(version),
    value: Number(value),
  }));
}

export async function bigqueryHarness(): Promise<HarnessResult> {
  const server = await bigqueryServer();
  if ("skip" in server) return server;
  return {
    type: "bigquery",
    countsRows: true,
    crash: { steps: 24, block: 3, atLeast: { old: 12, new: 1 } },
    async open() {
      const dataset = await server.dataset();
      const options = bigqueryOptions(server, dataset);
      const proxy = await openFaultProxy(server.url);
      return {
        secrets: [TOKEN],
        open: () => Promise.resolve(openTestBigQuery(options)),
        rows: () => seenRows(server, dataset),
        leftovers: async () =>
          (await server.tables(dataset)).filter(
            (table) => ![TABLE, "_replayport_receipts", "_replayport_audits"].includes(table),
          ),
        async ledgerText() {
          const ledger = `SELECT TO_JSON_STRING(r) FROM \`${PROJECT}.${dataset}._replayport_receipts\` AS r`;
          const jobs = [...server.layer.jobs.values()].map(({ configuration }) => configuration);
          return `${JSON.stringify(await server.select(ledger))}\n${JSON.stringify(jobs)}`;
        },
        crashing: {
          open: async (crash) =>
            crashingBigQuery(proxy, crash, (url) =>
              openTestBigQuery(
                { ...bigqueryOptions({ url }, dataset), maxAttempts: 1 },
                { onWarning: () => undefined },
              ),
            ),
          settle: () => server.layer.idle(),
        },
        [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
      };
    },
    openBroken: () =>
      Promise.resolve([
        openTestBigQuery(bigqueryOptions(server, "no_such_dataset")),
        openTestBigQuery({ ...bigqueryOptions(server, "any"), apiEndpoint: "http://127.0.0.1:1", maxAttempts: 1 }),
      ]),
  };
}
