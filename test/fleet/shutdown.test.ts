/** What only real processes show: SIGTERM once, twice and with Redis down, and a process that slept and continues too late. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { commandLine, ended } from "../support/cli_process.ts";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { first } from "../support/fault_proxy.ts";
import { filesBelow, temporaryFolder } from "../support/temporary_folder.ts";
import { PATIENCE, type Running, type Site, extracting, openSite, paused } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 4;
const never = new Promise<never>(() => undefined);

/** A worker whose first batch waits for the source forever. */
async function waiting(site: Site, ...args: string[]): Promise<Running> {
  const before = site.proxy.requests.filter(extracting).length;
  site.proxy.decide(first(1, extracting, { kind: "hold-answer", until: never }));
  const worker = site.run(["worker", "--concurrency", "1", ...args]);
  await until(
    "the extraction",
    () => site.proxy.requests.filter(extracting).length,
    (count) => count > before,
    PATIENCE,
  );
  return worker;
}

/** How many batches belong to a worker, alive or dead. */
async function active(site: Site): Promise<number> {
  return await site.redis.client.llen("{replayport}:batches:active");
}

suite("SIGTERM", { skip: clickhouseSkip }, () => {
  test("SIGTERM gives a batch its grace and releases it, a second one ends a worker at once, and others load what is left", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);

    // 1. A load that heeds its abort has its grace, then its batch is released at once, without a takeover.
    const graced = await waiting(site, "--grace", "1s");
    const began = performance.now();
    graced.kill("SIGTERM");
    assert.equal((await graced.ended()).code, 0);
    const took = performance.now() - began;
    assert.ok(took > 900 && took < 8_000, `${took} ms`);
    await graced.says(/^released/);
    await graced.says(/^stopped/);
    assert.equal(await active(site), 0, "the batch is free for another worker");

    // 2. A load that ignores its abort can't keep the process.
    const deaf = site.run(["worker", "--concurrency", "1", "--grace", "1s"], "before");
    await paused(site, deaf);
    deaf.kill("SIGTERM");
    assert.equal((await deaf.ended()).code, 0);

    // 3. A second signal doesn't wait for the grace.
    const twice = await waiting(site, "--grace", "10m");
    twice.kill("SIGTERM");
    await twice.says(/^stopping/);
    const second = performance.now();
    twice.kill("SIGTERM");
    assert.equal((await twice.ended()).code, 143);
    assert.ok(performance.now() - second < 2_000);
    assert.ok((await active(site)) > 0, "its batch has to be taken over");

    const other = site.run(["worker"]);
    await site.complete();
    await site.close();
    assert.equal(other.lines.filter(({ msg }) => msg === "will try again").length, 0);
  });

  test("SIGTERM stops idle processes at once, and all of them in time while Redis is down or doesn't answer", async (t) => {
    await using site = await openSite(t, { hours: 0 });
    if (!site) return;
    const ROLES = [["scheduler"], ["worker"], ["serve", "--http", "0"]];
    const all = async (): Promise<Running[]> => {
      const started = ROLES.map((args) => site.run(args));
      await Promise.all(started.map((one) => one.says(/^(?:worker|scheduler) started/)));
      return started;
    };
    const stop = async (processes: readonly Running[], limitMs: number): Promise<void> => {
      const began = performance.now();
      for (const one of processes) one.kill("SIGTERM");
      for (const one of processes) assert.equal((await one.ended()).code, 0);
      const took = performance.now() - began;
      assert.ok(took < limitMs, `${took} ms`);
    };
    const others = await all();
    await stop(await all(), 10_000);
    assert.equal(await site.redis.client.hlen("{replayport}:processes"), others.length + 1);

    await site.redis.kill();
    await Promise.all(others.map((one) => one.says(/^Redis is down/)));
    await stop(others, 15_000);
    await site.redis.restart();

    const left = await all();
    const pid = await site.redis.pid();
    process.kill(pid, "SIGSTOP");
    try {
      // Its connections stay open, and nobody has noticed yet.
      await stop(left, 15_000);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await site.close();
  });
});

suite("SIGTERM during the start", () => {
  const roles = [["scheduler"], ["worker"], ["serve", "--http", "0"]];
  test("a scheduler, worker or server that is stopped while it connects to Redis ends with code 0, without an error", async () => {
    await Promise.all(roles.map(stoppedAtStart));
  });

  async function stoppedAtStart(args: readonly string[]): Promise<void> {
    await using folder = await temporaryFolder();
    // It accepts connections and never answers.
    const redis = createServer().listen(0, "127.0.0.1");
    await once(redis, "listening");
    const { port } = redis.address() as AddressInfo;
    await writeFile(
      join(folder.path, "schedules.yaml"),
      `source: { clickhouse: { url: "http://127.0.0.1:1" } }
destinations: { local: { type: file, path: ./lake } }
exports: { replays: { model: session_replays, team_id: all, destination: local, schedule: "@hourly", start: 2026-01-01 } }
redis: { url: "redis://127.0.0.1:${port}" }
http: { public_reads: true }
`,
    );
    const connected = once(redis, "connection") as Promise<[Socket]>;
    const child = commandLine(folder.path).begin(args);
    const end = ended(child);
    const [socket] = await connected;
    socket.on("error", () => undefined);
    child.kill("SIGTERM");
    const { code, err } = await end;
    redis.close();
    assert.deepEqual([code, err], [0, ""], args.join(" "));
  }
});

suite("two live attempts of one batch", { skip: clickhouseSkip }, () => {
  test("a worker that slept in its commit finds the batch loaded and changes nothing that counts", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);
    const sleeper = site.run(["worker", "--concurrency", "1"], "before");
    await paused(site, sleeper);
    // As a machine that sleeps, or a pause of the garbage collector.
    sleeper.kill("SIGSTOP");
    const quick = site.run(["worker"]);
    await site.complete();
    const data = async (): Promise<string[]> =>
      (await filesBelow(`${site.folder}/lake`)).filter((file) => file.endsWith(".parquet"));
    const before = await data();
    await site.go();
    sleeper.kill("SIGCONT");
    await sleeper.says(/lost the job/);
    await sleeper.says(/^loaded already|^will try again/);
    sleeper.kill("SIGTERM");
    assert.equal((await sleeper.ended()).code, 0);
    await site.complete();
    await site.close();
    // Its files were there before it slept, and the quick one's manifest has them go when `keep_replaced` is over. The manifest
    // that it still wrote is of a lower generation.
    assert.deepEqual(await data(), before);
    assert.ok(quick.lines.every(({ level }) => level < 50));
  });
});
