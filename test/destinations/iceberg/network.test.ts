/**
 * Two workers load into one table over networks that lose, delay and repeat what they carry. At the end the table is, row by row
 * and column by column, what the batches make: as PyIceberg, DuckDB and ClickHouse read it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Destination } from "../../../destinations/destination.ts";
import { parseJson } from "../../../destinations/table_format/json.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { isRetryable, withRetries } from "../../../src/retry.ts";
import { hours } from "../../support/batches.ts";
import { clickhouse, clickhouseSkip } from "../../support/clickhouse.ts";
import { type Decide, type Fault, openFaultProxy } from "../../support/fault_proxy.ts";
import { icebergPython, icebergServer } from "../../support/iceberg.ts";
import { ReplayBatches, type ReplayRow } from "../replay_batches.ts";
import { freshOptions, openTestTable } from "./harness.ts";

const HOURS = 12;
const SESSIONS = 60;
const TIMEOUT_MS = 1_000;
/** An answer is then later than the client waits, and a request comes after others. */
const LATE_MS = 1_300;
const PATIENCE = { attempts: 40, firstDelayMs: 20, longestDelayMs: 300 };

const server = await icebergServer();
const python = await icebergPython();
const missing = [server, python].flatMap((one) => ("skip" in one ? [one.skip] : []));

/** Numbers from 0 to below 1, the same for each seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

suite("an Iceberg table on a bad network", { skip: missing[0] ?? clickhouseSkip }, () => {
  if ("skip" in server || "skip" in python) return;
  const signal = AbortSignal.timeout(300_000);
  const { catalog, endpoint, region, tableBucket, credentials } = server.server;

  test("two workers' loads all come through, and three readers see each row of the batches once", async () => {
    const random = randomOf(20_261_001);
    const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)] as Value;
    const late: Promise<unknown>[] = [];
    const counts = new Map<string, number>();
    const later = (): Promise<unknown> => {
      const until = setTimeout(LATE_MS);
      late.push(until);
      return until;
    };
    const json = { "content-type": "application/json" };
    const faults: Readonly<Record<string, () => Fault>> = {
      "lost request": () => ({ kind: "cut-request" }),
      "lost answer": () => ({ kind: "cut-answer" }),
      "late request": () => ({ kind: "late-request", until: later() }),
      "late answer": () => ({ kind: "hold-answer", until: later() }),
      "refused, not done": () => ({
        kind: "answer",
        status: pick([408, 409, 429, 500, 503]),
        headers: json,
        body: "{}",
      }),
      "refused, but done": () => ({ kind: "change", status: pick([409, 500, 502, 504]) }),
    };
    const decide: Decide = ({ method, path }) => {
      // Commits get most of it.
      const isCommit = method === "POST" && path.endsWith("/tables/replays");
      if (!path.includes("/namespaces") || random() > (isCommit ? 0.6 : 0.12)) return undefined;
      const name = pick(Object.keys(faults));
      if (isCommit) counts.set(name, (counts.get(name) ?? 0) + 1);
      return faults[name]?.();
    };

    await using batches = await ReplayBatches.open();
    const options = freshOptions(server);
    await using stack = new AsyncDisposableStack();
    const workers: Destination[] = [];
    for (const name of ["one", "other"]) {
      const proxy = stack.use(await openFaultProxy(catalog));
      proxy.decide(decide);
      const through = { ...server.options("oauth2", proxy.url), timeoutMs: TIMEOUT_MS };
      const deps = { onWarning: () => undefined, installation: "here", version: name };
      workers.push(stack.use(openTestTable({ ...options, catalog: through }, deps)));
    }

    // Each hour changes some sessions of any hour before; a version that comes late may be an old one.
    const current = new Map<string, { readonly row: ReplayRow; readonly readAt: Date }>();
    const load = async (worker: Destination, hour: number, rows: readonly ReplayRow[], readAt: Date): Promise<void> => {
      const attempt = async (): Promise<void> => {
        const batch = await batches.batch(hours(hour), rows, { readAt });
        await worker.load(batch, signal).catch((error: unknown) => {
          // The other worker has loaded it, or this one has, by an attempt whose end it didn't see.
          if (!(error instanceof ReplayportError && error.code === "load.lost_race")) throw error;
        });
      };
      await withRetries(attempt, { policy: PATIENCE, retryable: isRetryable, random }, signal);
    };
    const hoursOf: { readonly rows: ReplayRow[]; readonly readAt: Date }[] = [];
    for (let hour = 0; hour < HOURS; hour += 1) {
      const readAt = new Date(Date.UTC(2026, 9, 2, 0, hour, 0, hour));
      const changed = new Set(Array.from({ length: 12 }, () => Math.floor(random() * SESSIONS)));
      const rows = [...changed].map((number): ReplayRow => {
        const second = String(number % 60).padStart(2, "0");
        return {
          session: `sitzung-ä-${number}`,
          version: Math.floor(random() * 50),
          start: `2026-10-01 0${number % 10}:59:${second}.000001`,
          end: `2026-10-01 1${number % 10}:00:${second}.999999`,
          deleted: random() < 0.1,
          url: random() < 0.2 ? null : `https://acme.test/${number}?q=it's`,
          urls: Array.from({ length: number % 4 }, (_, at) => `https://acme.test/${at}`),
        };
      });
      hoursOf.push({ rows, readAt });
      for (const row of rows) {
        const before = current.get(row.session ?? "");
        // On a tie the later read wins.
        if (!before || row.version >= before.row.version) current.set(row.session ?? "", { row, readAt });
      }
    }
    // The first makes the table; then both at once, and now and then the same hour by both.
    const [one, other] = workers as [Destination, Destination];
    await load(one, 0, hoursOf[0]?.rows ?? [], hoursOf[0]?.readAt ?? new Date());
    const work = hoursOf.map((each, hour) => ({ ...each, hour })).slice(1);
    const run = async (worker: Destination, mine: (hour: number) => boolean): Promise<void> => {
      for (const { rows, readAt, hour } of work) if (mine(hour)) await load(worker, hour, rows, readAt);
    };
    await Promise.all([run(one, (hour) => hour % 2 === 0 || hour % 5 === 0), run(other, (hour) => hour % 2 === 1)]);
    await Promise.all(late);
    assert.ok([...counts.values()].reduce((sum, count) => sum + count, 0) >= 4, "commits met few faults");

    await using calm = openTestTable(options, { installation: "here" });
    const receipts = await Array.fromAsync(calm.receipts(ALL_TIME, signal));
    assert.deepEqual(
      receipts.map(({ interval }) => interval),
      hoursOf.map((_, hour) => hours(hour)),
    );

    const iso = (at: string): string => `${at.replace(" ", "T")}Z`;
    const wanted = [...current.values()]
      .map(({ row, readAt }) => ({
        team_id: 1,
        session_id: row.session,
        distinct_id: `person of ${row.session}`,
        start_time: iso(row.start),
        end_time: iso(row.end),
        first_url: row.url,
        all_urls: row.urls,
        blocks: [iso(row.start), iso(row.end)],
        score: row.version / 4,
        is_deleted: row.deleted,
        _version: row.version,
        _exported_at: readAt.toISOString().replace("Z", "000Z"),
      }))
      .sort(bySession);
    const given = { catalog, warehouse: tableBucket, endpoint, region, id: credentials.accessKeyId };
    const table = { namespace: options.namespace, table: options.table };
    await using engine = await clickhouse();
    const expectWanted = async (when: string): Promise<void> => {
      const read = (await python(
        join(import.meta.dirname, "..", "..", "support", "iceberg_read.py"),
        JSON.stringify({ ...given, ...table, secret: credentials.secretAccessKey }),
      )) as Record<string, { session_id: string }[]>;
      assert.deepEqual(read["pyiceberg"]?.sort(bySession), wanted, `PyIceberg ${when}`);
      assert.deepEqual(read["duckdb"]?.sort(bySession), wanted, `DuckDB ${when}`);
      const location = `${endpoint}/${tableBucket}/${options.namespace.join("/")}/${options.table}/`;
      const result = await engine.client.query({
        query: `SELECT * FROM icebergS3('${location}', '${credentials.accessKeyId}', '${credentials.secretAccessKey}')`,
        format: "JSONEachRow",
        clickhouse_settings: { date_time_output_format: "iso", output_format_json_quote_64bit_integers: 0 },
      });
      const seen = (await result.text()).trim().split("\n").map(parseJson) as { session_id: string }[];
      assert.deepEqual(seen.sort(bySession), wanted, `ClickHouse ${when}`);
    };
    await expectWanted("after the loads");
    const rewritten = await Array.fromAsync(calm.rewrite?.({ percent: 0, change: true }, signal) ?? []);
    assert.ok(rewritten.length > 0 && rewritten.every((file) => file.rewritten));
    await expectWanted("after files were written again without their dead rows");
  });
});

function bySession(a: { readonly session_id: string | null }, b: { readonly session_id: string | null }): number {
  return (a.session_id ?? "") < (b.session_id ?? "") ? -1 : 1;
}
