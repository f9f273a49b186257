/** Two configs on one Redis and one prefix: another installation, or the one from before a deploy. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { identityOf } from "../../src/config/identity.ts";
import { interval } from "../../src/intervals/interval.ts";
import type { DestinationOptions } from "../../destinations/options.ts";
import type { ExportIdentity } from "../../src/fleet/fleet.ts";
import { REPLAYS } from "../support/definitions.ts";
import { DAY, SETTINGS, exportOf, hours, never, openWorld, until, type World } from "../support/fleet_fixture.ts";
import { down } from "../support/fleet_fakes.ts";

const PRODUCTION: ExportIdentity = { place: "aaaaaaaa", config: "a1" };
const STAGING: ExportIdentity = { place: "bbbbbbbb", config: "b1" };
const ALL = hours(DAY, 11).map((name) => `replays/${name}`);
const settings = { ...SETTINGS, takeoverMs: 600_000 };

/** Both have an export `replays`, for which eleven hours are due. */
async function openTwo(t: TestContext): Promise<readonly [World, World, AsyncDisposable] | undefined> {
  await using stack = new AsyncDisposableStack();
  const one = await openWorld(t);
  if (!one) return undefined;
  stack.use(one);
  const other = await openWorld(t, one.server, one.prefix);
  if (!other) return undefined;
  stack.use(other);
  const kept = stack.move();
  return [one, other, { [Symbol.asyncDispose]: async () => await kept.disposeAsync() }];
}

const openAs = async (world: World, identity: ExportIdentity) =>
  await world.open([exportOf("replays")], { settings, identity: () => identity });

const onlyDiffers = (logged: readonly string[]): void => {
  assert.ok(logged.length <= 1, logged.join("\n"));
  for (const line of logged) assert.match(line, /left a batch of replays to other workers/);
};

suite("two installations on one Redis with the same prefix", () => {
  test("each of two installations with one prefix loads its own batches, all of them, and only those", async (t) => {
    const opened = await openTwo(t);
    if (!opened) return;
    const [production, staging, both] = opened;
    await using _both = both;
    const { fleet: mine } = await openAs(production, PRODUCTION);
    const { fleet: other } = await openAs(staging, STAGING);
    await using _one = await mine.startScheduler(never);
    await using _other = await other.startScheduler(never);
    const workers = [await mine.startWorker(2), await other.startWorker(2)];
    await Promise.all([production.loaded(11), staging.loaded(11)]);
    assert.deepEqual([...production.ledger.loads].sort(), ALL);
    assert.deepEqual([...staging.ledger.loads].sort(), ALL);
    for (const fleet of [mine, other]) {
      const runs = await fleet.runs({ limit: 500 }, never);
      assert.ok(runs.length <= 11 && runs.every(({ state }) => state !== "failed"));
    }
    for (const { logged } of [production, staging]) onlyDiffers(logged);
    for (const worker of workers) await worker.stop(1_000);
  });

  test("a worker of another config leaves batches to those who have theirs, says so once, and none is lost or counted as failed", async (t) => {
    const opened = await openTwo(t);
    if (!opened) return;
    const [production, staging, both] = opened;
    await using _both = both;
    const { fleet } = await openAs(production, PRODUCTION);
    await using _scheduler = await fleet.startScheduler(never);
    const { fleet: foreign, events } = await openAs(staging, STAGING);
    const wrong = await foreign.startWorker(4);
    await until(
      "left",
      () => staging.logged,
      (lines) => lines.length > 0,
    );
    const right = await fleet.startWorker(1);
    await production.loaded(11);
    onlyDiffers(staging.logged);
    assert.match(staging.logged[0] ?? "", /this worker's config has another one of this name/);
    assert.deepEqual([staging.ledger.loads, events], [[], []]);
    assert.deepEqual((await fleet.export("replays", never)).failedIntervals, []);
    await wrong.stop(1_000);
    await right.stop(1_000);
  });

  test("a worker that doesn't have an export leaves its batches, and they don't fail", async (t) => {
    const opened = await openTwo(t);
    if (!opened) return;
    const [production, staging, both] = opened;
    await using _both = both;
    const { fleet, kinds } = await openAs(production, PRODUCTION);
    await using _scheduler = await fleet.startScheduler(never);
    const { fleet: foreign } = await staging.open([exportOf("other", { start: new Date("2027-01-01T00:00:00Z") })]);
    const wrong = await foreign.startWorker(4);
    await until(
      "left",
      () => staging.logged,
      (lines) => lines.length > 0,
    );
    assert.match(staging.logged[0] ?? "", /this worker's config has no such export/);
    const right = await fleet.startWorker(1);
    await production.loaded(11);
    assert.deepEqual([kinds("run.failed"), staging.ledger.loads], [[], []]);
    await wrong.stop(1_000);
    await right.stop(1_000);
  });

  test("pauses, failures and backfills of one installation don't touch the other", async (t) => {
    const opened = await openTwo(t);
    if (!opened) return;
    const [production, staging, both] = opened;
    await using _both = both;
    staging.ledger.beforeCommit = () => Promise.reject(down());
    const { fleet: other } = await openAs(staging, STAGING);
    const range = interval(DAY, "2026-10-01T06:00:00Z");
    const { id } = await other.startBackfill({ export: "replays", range, createdBy: "test" }, never);
    await other.pause("replays", "maintenance", "test", never);
    const failing = await other.startWorker(1);
    const { fleet } = await openAs(production, PRODUCTION);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(2);
    await production.loaded(11);
    assert.deepEqual([...production.ledger.loads].sort(), ALL, "also what the other one's backfill has reserved");
    assert.deepEqual([(await fleet.export("replays", never)).paused, await fleet.backfills(never)], [undefined, []]);
    await assert.rejects(fleet.backfill(id, never), /there is no backfill/);
    assert.equal((await other.backfill(id, never)).state, "running");
    assert.deepEqual(staging.ledger.receipts, []);
    await failing.stop(1_000);
    await worker.stop(1_000);
  });
});

suite("a rolling deploy that changes a destination", () => {
  test("what the new scheduler enqueues goes to new workers only, whichever is started first", async (t) => {
    const opened = await openTwo(t);
    if (!opened) return;
    const [before, after, both] = opened;
    await using _both = both;
    const { fleet: old } = await openAs(before, PRODUCTION);
    const oldScheduler = await old.startScheduler(never);
    const oldWorker = await old.startWorker(1);
    await before.loaded(3);
    const { fleet } = await openAs(after, STAGING);
    await using _scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    await oldScheduler[Symbol.asyncDispose]();
    await oldWorker.stop(1_000);
    await after.loaded(11);
    assert.deepEqual([...after.ledger.loads].sort(), ALL, "its own place has receipts of all");
    await worker.stop(1_000);
  });
});

suite("the identity of an export", () => {
  const of = (destination: DestinationOptions, rest: Partial<typeof REPLAYS> = {}, installation = "eu") =>
    identityOf({ ...REPLAYS, ...rest }, destination, installation);
  const lake: DestinationOptions = { type: "s3", bucket: "lake", prefix: "posthog" };

  test("another place or installation is another identity", () => {
    const others: readonly ExportIdentity[] = [
      of({ ...lake, bucket: "staging" }),
      of({ ...lake, prefix: "staging" }),
      of({ ...lake, endpoint: "https://minio.acme.internal" }),
      of({ type: "file", path: "/lake" }),
      of(lake, {}, "us"),
    ];
    for (const other of others) {
      assert.notEqual(other.place, of(lake).place);
      assert.notEqual(other.config, of(lake).config);
    }
  });

  test("another selection or form is another config in the same place, and nothing else is", () => {
    const salted = of(lake, { selection: { ...REPLAYS.selection, salt: "pepper" } });
    const others = [of(lake, { path: "x/{export}" }), of(lake, { format: "csv" }), salted];
    for (const other of others) {
      assert.equal(other.place, of(lake).place);
      assert.notEqual(other.config, of(lake).config);
    }
    const secret = { accessKeyId: "a", secretAccessKey: "b" };
    assert.deepEqual(of({ ...lake, credentials: secret, maxAttempts: 9 }, { settleMs: 1, rowsPerFile: 5 }), of(lake));
    for (const text of Object.values(of(lake))) assert.match(text, /^[0-9a-f]{8}$/);
  });
});
