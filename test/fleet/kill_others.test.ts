/** Schedulers are killed, Redis is killed, silent or flushed: nothing is skipped, and nothing is loaded twice. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { PATIENCE, type Running, type Site, openSite, committedOnce } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 24;

/** Resolves when `count` hours are in the lake, while others still have to be loaded. */
async function begun(site: Site, count: number): Promise<void> {
  await until(
    "the first hours",
    async () => (await site.manifests()).length,
    (length) => length >= count,
    PATIENCE,
  );
}

function loadedBy(...workers: readonly Running[]): number {
  return workers.flatMap(({ lines }) => lines).filter(({ msg }) => msg === "loaded").length;
}

suite("kill -9 of a scheduler", { skip: clickhouseSkip }, () => {
  test("two schedulers at once, and another after both are killed, enqueue every interval once", async (t) => {
    await using site = await openSite(t, { hours: HOURS, fleet: "in_flight: 2" });
    if (!site) return;
    const schedulers = [site.run(["scheduler"]), site.run(["scheduler"])];
    const workers = [site.run(["worker"]), site.run(["worker"])];
    // Both have run, and work is left for the third.
    await Promise.all(schedulers.map((one) => one.says(/^scheduler started/)));
    await begun(site, 4);
    for (const one of schedulers) one.kill("SIGKILL");
    for (const one of schedulers) await one.ended();
    site.run(["scheduler"]);
    await site.complete();
    await site.close();
    assert.equal(loadedBy(...workers), HOURS);
    assert.ok(committedOnce(await site.manifests()));
  });
});

suite("Redis goes away", { skip: clickhouseSkip }, () => {
  test("Redis that is killed, loses its data, or goes silent loses no interval and doubles none", async (t) => {
    await using site = await openSite(t, { hours: HOURS, fleet: "in_flight: 2", redis: { keeps: true } });
    if (!site) return;
    const processes = [site.run(["scheduler"]), site.run(["worker"])];
    const says = async (msg: RegExp, times: number): Promise<void> => {
      const counts = (): number[] => processes.map(({ lines }) => lines.filter((line) => msg.test(line.msg)).length);
      await until(`${msg.source} for the ${times}. time`, counts, (all) => all.every((one) => one >= times), PATIENCE);
    };

    await begun(site, 4);
    await site.redis.kill();
    await says(/^Redis is down/, 1);
    await site.redis.restart();
    await says(/^Redis is back/, 1);

    await begun(site, 10);
    await site.redis.kill();
    await says(/^Redis is down/, 2);
    assert.ok(committedOnce(await site.manifests()));
    await site.redis.restart("empty");
    await says(/^Redis is back/, 2);
    const errors = processes.flatMap(({ lines }) => lines).filter(({ level }) => level >= 50);
    assert.deepEqual(errors, []);

    // Its connections stay open.
    await begun(site, 16);
    const redis = await site.redis.pid();
    process.kill(redis, "SIGSTOP");
    try {
      await says(/^Redis is down/, 3);
    } finally {
      process.kill(redis, "SIGCONT");
    }
    await site.complete();
    await site.close();
    // Without its data, Redis doesn't know that a batch is still being loaded. It's then loaded once more, which changes no row:
    // `complete` compares them all.
    assert.ok(loadedBy(...processes) >= HOURS);
  });
});

suite("Redis is flushed", { skip: clickhouseSkip }, () => {
  test("a backfill during which Redis is flushed is forgotten, and the scheduler loads the rest", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    const range = ["--from", site.start.toISOString(), "--to", site.end.toISOString(), "--interval", "schedule"];
    const enqueued = site.run(["backfill", "replays", ...range, "--enqueue"]);
    assert.equal((await enqueued.ended()).code, 0);
    const worker = site.run(["worker", "--concurrency", "1"]);
    const scheduler = site.run(["scheduler"]);
    await begun(site, 4);
    await site.redis.client.flushall();
    await scheduler.says(/^scheduler started/);
    // As the scheduler does by itself within two minutes.
    const retry = site.run(["retry", "replays"]);
    assert.equal((await retry.ended()).code, 0);
    await site.complete();
    const list = site.run(["backfills"]);
    assert.match((await list.ended()).out, /^no backfills/);
    await site.close();
    assert.ok(loadedBy(worker) >= HOURS);
    assert.ok(committedOnce(await site.manifests()));
  });
});
