/** Processes that are told to stop: by one signal, by two, with Redis away; and one that was stopped and goes on too late. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { type ProxiedRequest, first } from "../support/fault_proxy.ts";
import { filesBelow } from "../support/temporary_folder.ts";
import { type Running, type Site, openSite } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 4;
const extracting = ({ path }: ProxiedRequest): boolean => path.includes("param_exported_at");
const never = new Promise<never>(() => undefined);

/** A worker whose first batch waits for the source, for ever. */
async function waiting(site: Site, ...args: string[]): Promise<Running> {
  site.proxy.decide(first(1, extracting, { kind: "hold-answer", until: never }));
  const worker = site.run(["worker", "--concurrency", "1", ...args]);
  await until(
    "the extraction",
    () => site.proxy.requests.filter(extracting).length,
    (count) => count > 0,
    60,
  );
  return worker;
}

suite("SIGTERM", { skip: clickhouseSkip }, () => {
  test("SIGTERM stops idle processes at once", async (t) => {
    await using site = await openSite(t, { hours: 0 });
    if (!site) return;
    const idle = [site.run(["scheduler"]), site.run(["worker"]), site.run(["serve", "--http", "0"])];
    await Promise.all(idle.map((one) => one.says(/ runs/)));
    const began = performance.now();
    for (const one of idle) one.kill("SIGTERM");
    for (const one of idle) assert.deepEqual((await one.ended()).code, 0);
    assert.ok(performance.now() - began < 10_000);
    await site.close();
    assert.deepEqual(await site.redis.client.hgetall("{replayport}:processes"), {});
  });

  test("SIGTERM gives a batch its grace, then releases it to another worker at once", async (t) => {
    // So long that no worker takes a batch over in this test.
    await using site = await openSite(t, { hours: HOURS, takeover: "10m" });
    if (!site) return;
    site.run(["scheduler"]);
    const worker = await waiting(site, "--grace", "1s");
    const began = performance.now();
    worker.kill("SIGTERM");
    assert.deepEqual((await worker.ended()).code, 0);
    const took = performance.now() - began;
    assert.ok(took > 900 && took < 8_000, `${took} ms`);
    await worker.says(/^released/);
    await worker.says(/^stopped/);
    const other = site.run(["worker"]);
    await site.complete();
    await site.close();
    assert.equal(other.lines.filter(({ msg }) => msg === "will try again").length, 0);
  });

  test("a second SIGTERM ends a worker at once, and another takes over", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);
    const worker = await waiting(site, "--grace", "10m");
    worker.kill("SIGTERM");
    await worker.says(/^stopping/);
    const began = performance.now();
    worker.kill("SIGTERM");
    assert.equal((await worker.ended()).code, 143);
    assert.ok(performance.now() - began < 2_000);
    site.run(["worker"]);
    await site.complete();
    await site.close();
  });

  test("SIGTERM ends a worker whose load ignores its abort", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);
    const worker = site.run(["worker", "--concurrency", "1", "--grace", "1s"], "before");
    await until(
      "one that stands still",
      () => site.standing(),
      (pids) => pids.includes(worker.pid),
      60,
    );
    worker.kill("SIGTERM");
    assert.equal((await worker.ended()).code, 0);
    site.run(["worker"]);
    await site.complete();
    await site.close();
  });

  test("SIGTERM ends scheduler and worker while Redis is down", async (t) => {
    await using site = await openSite(t, { hours: 0 });
    if (!site) return;
    const both = [site.run(["scheduler"]), site.run(["worker"])];
    await Promise.all(both.map((one) => one.says(/ runs/)));
    await site.redis.kill();
    await Promise.all(both.map((one) => one.says(/^Redis is down/)));
    const began = performance.now();
    for (const one of both) one.kill("SIGTERM");
    for (const one of both) assert.equal((await one.ended()).code, 0);
    assert.ok(performance.now() - began < 15_000);
    await site.redis.restart();
    await site.close();
  });
});

suite("two live attempts of one batch", { skip: clickhouseSkip }, () => {
  test("a worker that slept in its commit finds the batch loaded and removes its own files", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);
    const sleeper = site.run(["worker", "--concurrency", "1"], "before");
    await until(
      "one that stands still",
      () => site.standing(),
      (pids) => pids.includes(sleeper.pid),
      60,
    );
    // As a machine that sleeps, or a pause of the garbage collector.
    sleeper.kill("SIGSTOP");
    const quick = site.run(["worker"]);
    await site.complete();
    const before = await filesBelow(`${site.folder}/lake`);
    await site.go();
    sleeper.kill("SIGCONT");
    await sleeper.says(/lost the job/);
    await sleeper.says(/^loaded already|^will try again/);
    sleeper.kill("SIGTERM");
    assert.equal((await sleeper.ended()).code, 0);
    await site.complete();
    await site.close();
    // What the sleeper wrote, it has removed: files of its own, which the quick one could not know of.
    assert.deepEqual(await filesBelow(`${site.folder}/lake`), before);
    assert.ok(quick.lines.every(({ level }) => level < 50));
  });
});
