/**
 * `node test/destinations/iceberg/spark_maintenance.ts`: Spark compacts, rewrites and expires an Iceberg table between our loads. After
 * each step the rows are, one by one, those of the batches, as Spark reads them, and the receipts are all there.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { hours } from "../../support/batches.ts";
import { icebergServer } from "../../support/iceberg.ts";
import { pythonEnvironment, TOOLS } from "../../support/tools.ts";
import { freshOptions, openTestTable } from "./harness.ts";
import { ReplayBatches, type ReplayRow } from "../replay_batches.ts";

const signal = AbortSignal.timeout(900_000);
const server = await icebergServer();
if ("skip" in server) throw new Error(server.skip);
const options = freshOptions(server);
const jars = globSync(join(TOOLS, "spark-jars", "*.jar"));
const python = join(await pythonEnvironment("spark", ["pyspark==4.0.1"]), "bin", "python");
const script = join(import.meta.dirname, "spark_maintenance.py");
const spark = spawn(python, [script, JSON.stringify({ catalog: server.properties, jars })], {
  stdio: ["pipe", "pipe", "ignore"],
});
const lines = createInterface({ input: spark.stdout })[Symbol.asyncIterator]();

interface Said {
  readonly spark?: string;
  readonly error?: string;
  readonly answer?: readonly Record<string, unknown>[];
}
async function said(): Promise<Said> {
  for (;;) {
    const { value } = await lines.next();
    if (value === undefined) throw new Error("Spark has ended");
    // Java writes warnings to the same stream.
    if (value.startsWith("{")) return JSON.parse(value) as Said;
  }
}
async function sql(statement: string): Promise<readonly Record<string, unknown>[]> {
  spark.stdin.write(`${statement}\n`);
  const { answer, error } = await said();
  if (error !== undefined) throw new Error(`${statement}: ${error}`);
  return answer ?? [];
}

const { spark: version } = await said();
const name = [...options.namespace, options.table].join(".");
const current = new Map<string, number>();
await using batches = await ReplayBatches.open();
await using destination = openTestTable(options);
const loaded = new Set<number>();
async function load(hour: number, versions: Readonly<Record<string, number>>): Promise<void> {
  const rows = Object.entries(versions).map(([session, of]): ReplayRow => ({
    session,
    version: of,
    start: "2026-10-01 12:00:00",
    end: "2026-10-01 12:10:00",
  }));
  await destination.load(await batches.batch(hours(hour), rows), signal);
  loaded.add(hour);
  for (const [session, of] of Object.entries(versions)) current.set(session, Math.max(of, current.get(session) ?? 0));
}
async function expectRows(step: string): Promise<void> {
  const rows = await sql(`SELECT session_id, _version, distinct_id, size(blocks) AS blocks FROM lake.${name}`);
  const found = rows.map(
    (row) =>
      `${String(row["session_id"])} ${String(row["_version"])} ${String(row["distinct_id"])} ${String(row["blocks"])}`,
  );
  const wanted = [...current].map(([session, of]) => `${session} ${of} person of ${session} 2`);
  assert.deepEqual(found.sort(), wanted.sort(), step);
  const receipts = await Array.fromAsync(destination.receipts(ALL_TIME, signal));
  assert.equal(receipts.length, loaded.size, `${step}: receipts`);
  console.log(`Spark ${version}: ${step}: ${found.length} rows as loaded, ${receipts.length} receipts`);
}
const many = (from: number, count: number, of: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`s${from + at}`, of]));

for (let hour = 0; hour < 4; hour += 1) await load(hour, many(hour * 5, 20, hour + 1));
await expectRows("four loads");
await sql(`CALL lake.system.rewrite_data_files(table => '${name}', options => map('rewrite-all', 'true'))`);
await expectRows("rewrite_data_files");
await load(4, many(3, 9, 9));
await expectRows("a load over the compacted file");
await sql(`CALL lake.system.rewrite_manifests('${name}')`);
await load(5, many(0, 40, 11));
await expectRows("rewrite_manifests, and a load that kills every row");
await sql(
  `CALL lake.system.expire_snapshots(table => '${name}', older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1)`,
);
await expectRows("expire_snapshots to the last one");
await load(6, many(38, 10, 12));
// The same hour again: its receipt, which only the ledger has now, is replaced.
await load(0, many(0, 5, 13));
await expectRows("loads after it");
const [deletes] = await sql(`SELECT count(*) AS files FROM lake.${name}.delete_files`);
console.log(`Spark ${version}: ${String(deletes?.["files"])} files of position deletes`);
spark.stdin.end();
await server.server[Symbol.asyncDispose]();
