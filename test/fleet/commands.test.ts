/** The commands that ask the fleet for something, as a person types them. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { type ProxiedRequest, first } from "../support/fault_proxy.ts";
import { type Site, openSite } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 6;
const extracting = ({ form }: ProxiedRequest): boolean => form.includes("param_exported_at");
const never = new Promise<never>(() => undefined);

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly noise: string;
}

async function say(site: Site, ...args: string[]): Promise<Said> {
  const running = site.run(args);
  const { code, out } = await running.ended();
  return { code, out, noise: running.noise.join("\n") };
}

async function ok(site: Site, ...args: string[]): Promise<string> {
  const { code, out, noise } = await say(site, ...args);
  assert.deepEqual([code, noise], [0, ""], args.join(" "));
  return out;
}

const range = ({ start, end }: Site): string[] => ["--from", start.toISOString(), "--to", end.toISOString()];

suite("the commands of the fleet", { skip: clickhouseSkip }, () => {
  test("a backfill is enqueued, refused where it overlaps, shown, cancelled and started again", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    assert.match(await ok(site, "backfills"), /^no backfills$/m);
    const enqueued = await ok(site, "backfill", "replays", ...range(site), "--interval", "schedule", "--enqueue");
    assert.match(enqueued, /^\w{8} {2}replays .* \| running \| 0 of 6 intervals done \| 2 running \| 4 remaining/);
    const [id = ""] = enqueued.split(" ");
    assert.match(enqueued, new RegExp(`^To follow it: replayport backfills ${id}$`, "m"));

    const again = await say(site, "backfill", "replays", ...range(site), "--enqueue");
    assert.equal(again.code, 1);
    assert.match(again.noise, new RegExp(`^error: replays: backfill ${id} already loads a part of`, "m"));
    assert.match(again.noise, new RegExp(`what to do: .*replayport cancel ${id}`));

    // Its first batch never ends by itself.
    site.proxy.decide(first(1, extracting, { kind: "hold-answer", until: never }));
    const worker = site.run(["worker", "--concurrency", "1"]);
    await until(
      "the extraction",
      () => site.proxy.requests.filter(extracting).length,
      (count) => count > 0,
      60,
    );
    assert.match(await ok(site, "cancel", id), /\| cancelled \|/);
    await worker.says(/^cancelled$/);
    const shown = JSON.parse(await ok(site, "backfills", id, "--json")) as Record<string, unknown>;
    assert.deepEqual([shown["state"], shown["total"]], ["cancelled", HOURS]);
    assert.equal(Number(shown["done"]) + Number(shown["cancelled"]), HOURS);
    assert.match((await say(site, "retry", id)).noise, /^error: backfill \w{8} was cancelled$/m);
    assert.match((await say(site, "cancel", "nonesuch")).noise, /^error: there is no backfill nonesuch$/m);

    const next = await ok(site, "backfill", "replays", ...range(site), "--enqueue", "--json");
    const { id: other } = JSON.parse(next) as { id: string };
    await until(
      "the end",
      async () => JSON.parse(await ok(site, "backfills", other, "--json")) as { state: string; rows: number },
      ({ state }) => state === "done",
      60,
    );
    // Around midnight the range has two folders, and a session that goes on is in both batches.
    assert.match(await ok(site, "backfills", other), /\| done \| \d of \d intervals? done \| [23] rows,/);
    assert.match(
      await ok(site, "backfill", "replays", ...range(site), "--enqueue"),
      /^replays: every interval in this range that has ended is loaded/,
    );
    await site.close();
  });

  test("an export is paused, resumed and retried by commands", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    const paused = await ok(site, "pause", "replays", "--reason", "the disk moves");
    assert.match(paused, /^replays paused since .*: the disk moves\nTo resume: replayport resume replays$/m);
    const [scheduler, worker] = [site.run(["scheduler", "--verbose"]), site.run(["worker"])];
    await worker.says(/^worker started/);
    await scheduler.says(/^tick/);
    assert.deepEqual(await site.manifests(), []);
    const shown = await ok(site, "status");
    assert.match(shown, /^replays +paused .* paused .*\n {2}paused by \S+ since .*: the disk moves$/m);
    assert.match(shown, /^1 export: 1 paused\. 6 intervals due/m);
    const [row] = JSON.parse(await ok(site, "status", "--json")) as Record<string, unknown>[];
    const pause = row?.["paused"] as { reason: string; probeAt: unknown };
    assert.deepEqual([row?.["state"], pause.reason, pause.probeAt], ["paused", "the disk moves", null]);
    assert.match(await ok(site, "runs"), /^no runs$/m);
    assert.match(await ok(site, "retry", "replays"), /^replays: 0 intervals to retry$/m);
    assert.match(await ok(site, "resume", "replays"), /^replays resumed$/m);
    await site.complete();
    assert.match(await ok(site, "runs", "replays", "--state", "loaded"), /^replays +\S+ \S+ +loaded /m);
    assert.match(await ok(site, "status"), /^replays +ok .* ago /m);
    assert.match((await say(site, "pause", "nothing")).noise, /^error: the config has no export "nothing"$/m);
    await site.close();
  });
});

suite("a Redis that is not as it should be", { skip: clickhouseSkip }, () => {
  test("a Redis that refuses is named with what to do", async (t) => {
    await using site = await openSite(t, { hours: 0, redis: { settings: ["--requirepass", "open sesame"] } });
    if (!site) return;
    const file = join(site.folder, "schedules.yaml");
    const config = await readFile(file, "utf8");
    const url = (replacement: string): Promise<void> =>
      writeFile(file, config.replace(/^redis: .*$/m, replacement === "" ? "" : `redis: { url: "${replacement}" }`));
    const { port } = site.redis;
    for (const [command, address, expected, code] of [
      [
        "backfills",
        `redis://127.0.0.1:${port}`,
        /^error: Redis at redis:\/\/127\.0\.0\.1:\d+\/0 requires a password: NOAUTH .*$/m,
        1,
      ],
      [
        "worker",
        `redis://:hunter2hunter2@127.0.0.1:${port}`,
        /^error: Redis at .* refused the password: WRONGPASS .*$/m,
        1,
      ],
      ["scheduler", "redis://127.0.0.1:1", /^error: Redis at .* can't be reached: .*ECONNREFUSED/m, 1],
      ["serve", "", /^error: \S+schedules\.yaml has no redis$/m, 2],
    ] as const) {
      await url(address);
      const said = await say(site, command);
      assert.match(said.noise, expected);
      assert.match(said.noise, /^ {2}what to do: /m);
      assert.ok(!said.noise.includes("hunter2"));
      assert.equal(said.code, code);
    }
    const right = encodeURIComponent("open sesame");
    await url(`redis://:${right}@127.0.0.1:${port}`);
    assert.match(await ok(site, "backfills"), /^no backfills$/m);
  });

  test("check tries Redis with what the fleet does, and the stage folder where nothing else may be written", async (t) => {
    await using site = await openSite(t, { hours: 0 });
    if (!site) return;
    const file = join(site.folder, "schedules.yaml");
    const config = await readFile(file, "utf8");
    const elsewhere = { TMPDIR: join(site.folder, "there is no such folder") };
    const { code, out } = await site.run(["check"], undefined, elsewhere).ended();
    assert.equal(code, 0, out);
    assert.match(out, /^ok {4} {2}stage: /m);
    assert.match(out, /^ok {4} {2}redis: redis:\/\/127\.0\.0\.1:\d+\/0: takes the fleet's scripts/m);
    await site.redis.client.replicaof("127.0.0.1", 1);
    const refused = await site.run(["check"], undefined, elsewhere).ended();
    assert.equal(refused.code, 1);
    assert.match(refused.out, /^FAILED {2}redis: Redis at .* is a read-only replica: READONLY .*\n {8}what to do: /m);
    await writeFile(file, config.replace(/^redis: .*$/m, 'redis: { url: "rediss://127.0.0.1:1", ca_file: no.pem }'));
    const missing = await site.run(["check"]).ended();
    assert.match(missing.out, /^FAILED {2}redis: redis\.ca_file: ENOENT.*\n {8}what to do: /m);
    assert.doesNotMatch(`${refused.out}${missing.out}`, /^ +at /m);
  });

  test("a Redis that may drop jobs is a warning", async (t) => {
    await using site = await openSite(t, { hours: 1, redis: { settings: ["--maxmemory-policy", "allkeys-lru"] } });
    if (!site) return;
    const worker = site.run(["serve", "--http", "0"]);
    const warning = await worker.says(/maxmemory-policy is allkeys-lru/);
    assert.equal(warning.level, 40);
    await site.complete();
    worker.kill("SIGTERM");
    assert.equal((await worker.ended()).code, 0);
  });
});
