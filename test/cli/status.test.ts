/** `status` and `runs` as a person on call runs them: many exports, some of them broken, over receipts on a local disk. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { statusSchema } from "../../src/web/command_schemas.ts";
import { runSchema } from "../../src/web/schemas.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import { commandLine, type CommandLine, ended } from "../support/cli_process.ts";
import { writeReceipts } from "../support/lake_fixture.ts";

const HOUR = 3_600_000;
const SETTLE = 300_000;
const EXPORTS = 200;
const HOURS = 24;

type Row = Readonly<Record<string, unknown>> & { readonly export: string; readonly state: string };

suite("status of many exports", () => {
  let folder: string;
  let cli: CommandLine;
  /** Accepts connections and never answers. */
  const silent = createServer();
  const sockets = new Set<Socket>();
  // An hour is due when it has settled.
  const start = new Date(Math.floor((Date.now() - SETTLE) / HOUR) * HOUR - HOURS * HOUR);
  const hours = (from: number, to: number): Interval[] =>
    Array.from({ length: to - from }, (_, index) => ({
      start: new Date(start.getTime() + (from + index) * HOUR),
      end: new Date(start.getTime() + (from + index + 1) * HOUR),
    }));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    cli = commandLine(folder);
    silent.on("connection", (socket) => {
      sockets.add(socket.on("error", () => undefined));
    });
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const s3 = (at: number): string =>
      `{ type: s3, bucket: nobody, region: eu-central-1, endpoint: "http://127.0.0.1:${at}", access_key_id: a, secret_access_key: not-a-secret }`;
    const one = (name: string, destination: string): string =>
      `  ${name}: { model: session_replays, team_id: 1, destination: ${destination}, schedule: "@hourly", start: ${start.toISOString()} }\n`;
    const lake = join(folder, "lake");
    const names = Array.from({ length: EXPORTS }, (_, index) => `export_${index}`);
    for (const name of names) await writeReceipts(lake, name, hours(0, HOURS));
    // The last 12 hours of one are missing, and one has a receipt that nobody can read.
    await writeReceipts(lake, "late", hours(0, HOURS - 12));
    await writeReceipts(lake, "garbled", hours(0, 1));
    const [receipt = ""] = await readdir(join(lake, "_replayport/garbled"));
    await writeFile(join(lake, "_replayport/garbled", receipt), "{");
    await writeFile(join(folder, "a file"), "");
    const broken = one("garbled", "lake") + one("no_folder", "file") + one("refused", "refused");
    await writeFile(
      join(folder, "schedules.yaml"),
      `source: { clickhouse: { url: "http://127.0.0.1:1", password: x } }
destinations:
  lake: { type: file, path: ./lake }
  file: { type: file, path: "./a file" }
  refused: ${s3(1)}
  silent: ${s3(port)}
exports:
${names.map((name) => one(name, "lake")).join("")}${one("late", "lake")}${broken}${one("silent_1", "silent")}${one("silent_2", "silent")}`,
    );
    await writeFile(
      join(folder, "fine.yaml"),
      `source: { clickhouse: { url: "http://127.0.0.1:1", password: x } }
destinations: { lake: { type: file, path: ./lake } }
exports:
${names.map((name) => one(name, "lake")).join("")}`,
    );
  });
  after(async () => {
    silent.close();
    for (const socket of sockets) socket.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  test("200 exports on a local disk are shown within seconds", async () => {
    const began = performance.now();
    const { code, out, err } = await cli.run("status", "-c", "fine.yaml");
    const seconds = (performance.now() - began) / 1000;
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^200 exports: 200 ok\. 0 intervals due, 48,000 rows loaded\.$/m);
    // The goal is 3 s on an idle machine. This one may be busy with other tests.
    assert.ok(seconds < 30, `${seconds} s`);
  });

  test("each broken export has a row with its error, and the others are shown", async () => {
    const { code, out, err } = await cli.run("status", "--timeout", "2s");
    assert.deepEqual([code, err], [1, ""]);
    for (const name of ["garbled", "no_folder", "refused", "silent_1", "silent_2"])
      assert.match(out, new RegExp(`^${name} +unreadable .*\\n {2}error: .+$`, "m"), name);
    assert.match(out, /^silent_1 .*\n {2}error: s3:\/\/nobody didn't answer within 2\.0 s$/m);
    assert.match(out, /^export_199 +ok /m);
    assert.match(out, /^206 exports: 5 unreadable, 1 late, 200 ok\. 12 intervals due/m);
  });

  test("the worst are listed first, and --failing lists only those that need attention", async () => {
    const { out } = await cli.run("status", "--failing", "--timeout", "2s");
    const states = [...out.matchAll(/^\S+ +(unreadable|late|ok) /gm)].map(([, state]) => state);
    assert.deepEqual(states, [...Array.from({ length: 5 }, () => "unreadable"), "late"]);
    assert.match(out, /^late: 12 intervals due\. Next: replayport run late --due$/m);
    assert.doesNotMatch(out, /export_/);
    assert.match(out, /^206 exports: 5 unreadable, 1 late, 200 ok/m);
  });

  test("--json has the API's exports, with the error of each that can't be read", async () => {
    const { code, out } = await cli.run("status", "--json", "--timeout", "2s");
    assert.equal(code, 1);
    const rows = JSON.parse(out) as Row[];
    assert.equal(rows.length, EXPORTS + 6);
    for (const row of rows) statusSchema.parse(row);
    const garbled = rows.find((row) => row.export === "garbled");
    assert.deepEqual([garbled?.["destination"], garbled?.["due"]], ["lake", null]);
    assert.equal((garbled?.["ledgerError"] as { code: string } | undefined)?.code, "lake.broken_manifest");
    const late = rows.find((row) => row.export === "late");
    assert.deepEqual([late?.state, late?.["due"], late?.["rows"]], ["late", 12, 120]);
    const due = start.getTime() + (HOURS - 11) * HOUR + SETTLE;
    assert.ok(Math.abs(Number(late?.["lateSeconds"]) - (Date.now() - due) / 1000) < 120);
  });

  test("--watch shows it again and again until Ctrl-C, and sees a config that changed", async () => {
    const watched = commandLine(folder);
    await writeFile(join(folder, "watched.yaml"), "");
    const config = (names: readonly string[]): Promise<void> =>
      writeFile(
        join(folder, "watched.yaml"),
        `source: { clickhouse: { url: "http://127.0.0.1:1", password: x } }
destinations: { lake: { type: file, path: ./lake } }
exports: { ${names.map((name) => `${name}: { model: session_replays, team_id: 1, destination: lake, schedule: "@hourly", start: 2026-10-01 }`).join(", ")} }
`,
      );
    await config(["export_1"]);
    const child = watched.begin(["status", "-c", "watched.yaml", "--watch", "1s", "--json"]);
    const done = ended(child);
    let lines = 0;
    await new Promise<void>((resolve) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        lines += String(chunk).split("\n").length - 1;
        if (lines === 1) void config(["export_1", "export_2"]);
        if (String(chunk).includes("export_2")) resolve();
      });
    });
    child.kill("SIGINT");
    const { code, out, err } = await done;
    assert.equal(code, 130);
    assert.doesNotMatch(err, /still due/);
    for (const line of out.trim().split("\n")) assert.ok(Array.isArray(JSON.parse(line)));
  });

  test("runs lists the loads of all exports, newest first, and says which export it can't read", async () => {
    const { code, out } = await cli.run("runs", "export_7", "--limit", "3");
    assert.equal(code, 0);
    const times = [...out.matchAll(/^export_7 +(\S+ \S+) +loaded +10 /gm)].map(([, time]) => time);
    const newest = hours(HOURS - 3, HOURS).map((one) => one.start.toISOString().slice(0, 16).replace("T", " "));
    assert.deepEqual(times, newest.toReversed());
    const broken = await cli.run("runs", "--json", "-c", "schedules.yaml", "garbled");
    assert.deepEqual([broken.code, JSON.parse(broken.out)], [1, []]);
    assert.match(broken.err, /can't read the receipts/);
    const all = await cli.run("runs", "-c", "fine.yaml", "--json", "--limit", "30");
    const runs = JSON.parse(all.out) as unknown[];
    assert.equal(runs.length, 30);
    for (const one of runs) runSchema.parse(one);
    const usage = await cli.run("runs", "--state", "unheard-of");
    assert.equal(usage.code, 2);
  });
});
