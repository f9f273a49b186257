/** The core: the runs of an export, with their retries. Source and destination are fakes here. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { type RunEvent, runIntervals } from "../../src/export/run_intervals.ts";
import { TEXT_REPLAYS, dependencies, hour } from "../support/definitions.ts";
import { type FakeSource, fakeSource } from "../support/fake_source.ts";
import { memoryWarehouse } from "../support/memory_destination.ts";

const signal = AbortSignal.timeout(60_000);

suite("the runs of an export", () => {
  let stageRoot: string;
  before(async () => {
    stageRoot = await mkdtemp(join(tmpdir(), "replayport-test-"));
  });
  after(async () => await rm(stageRoot, { recursive: true, force: true }));
  const options = {
    covered: [],
    concurrency: 1,
    retry: { attempts: 3, firstDelayMs: 1, longestDelayMs: 2 },
  };
  const run = async (
    fake: FakeSource,
    intervals = [hour(0, 1), hour(1, 2), hour(2, 3)],
    stop = signal,
    events: RunEvent[] = [],
  ) => {
    const warehouse = memoryWarehouse();
    const result = await runIntervals(
      TEXT_REPLAYS,
      intervals,
      options,
      dependencies(fake.source, warehouse.destination("replays"), stageRoot),
      (event) => void events.push(event),
      stop,
    );
    return { ...result, events };
  };
  const retry = (extra: object = {}) => new ReplayportError("busy", { code: "source.busy", remedy: "retry", ...extra });
  const giveUp = (code: string) => new ReplayportError("no", { code, remedy: "give-up" });

  test("intervals are loaded oldest first", async () => {
    const { receipts } = await run(fakeSource([1]));
    assert.deepEqual(
      receipts.map(({ interval }) => interval),
      [hour(0, 1), hour(1, 2), hour(2, 3)],
    );
  });

  test("a retry waits as long as the other side asked, with no delay of the policy on top", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, retry({ retryAfterMs: 30 }));
    const began = performance.now();
    const { receipts, events } = await run(fake);
    assert.equal(receipts.length, 3);
    const delays = events.flatMap((event) => (event.kind === "retrying" ? [event.delayMs] : []));
    assert.deepEqual(delays, [30]);
    assert.ok(performance.now() - began >= 29);
  });

  test("the source is asked for its model once, and again after an attempt that failed", async () => {
    const fake = fakeSource([1]);
    const { model } = fake.source;
    let asked = 0;
    fake.source.model = async (...args) => {
      asked += 1;
      return await model(...args);
    };
    assert.equal((await run(fake)).receipts.length, 3);
    assert.equal(asked, 1);
    fake.failAt.set(4, retry());
    assert.equal((await run(fake)).receipts.length, 3);
    assert.equal(asked, 3);
  });

  test("an interval fails after the last attempt, and the other intervals are loaded", async () => {
    const fake = fakeSource([1]);
    for (const attempt of [1, 2, 3]) fake.failAt.set(attempt, retry());
    const { receipts, failures } = await run(fake);
    assert.equal(failures.length, 1);
    assert.equal(receipts.length, 2);
  });

  test("an attempt that hangs is aborted at its time limit and retried", async () => {
    const fake = fakeSource([1]);
    const { numbers } = fake.source;
    let asked = 0;
    fake.source.numbers = async (query, purpose, stop) => {
      asked += 1;
      if (asked > 1) return await numbers(query, purpose, stop);
      return await new Promise((_resolve, reject) => {
        stop.addEventListener("abort", () => reject(stop.reason as Error));
      });
    };
    const events: RunEvent[] = [];
    const { receipts } = await runIntervals(
      // Enough for the second attempt on a busy machine.
      { ...TEXT_REPLAYS, attemptMs: 1_000 },
      [hour(0, 1)],
      options,
      dependencies(fake.source, memoryWarehouse().destination("replays"), stageRoot),
      (event) => void events.push(event),
      signal,
    );
    assert.equal(receipts.length, 1);
    const retried = events.find((event) => event.kind === "retrying");
    assert.ok(retried?.error instanceof ReplayportError && retried.error.code === "load.time_limit");
  });

  test("after an error that every interval would hit, nothing is retried and no new interval starts", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, giveUp("source.auth"));
    const { receipts, failures, events } = await run(fake);
    assert.equal(failures.length, 1);
    assert.equal(receipts.length, 0);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["started", "failed"],
    );
  });

  test("after an error of one batch alone, the other intervals are loaded", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, giveUp("load.columns_gone"));
    const { receipts } = await run(fake);
    assert.equal(receipts.length, 2);
  });

  test("an abort rejects the runs with its reason", async () => {
    const leave = new AbortController();
    const reason = new Error("stop");
    const fake = fakeSource([1]);
    fake.failAt.set(2, reason);
    const events: RunEvent[] = [];
    const running = run(fake, [hour(0, 1), hour(1, 2)], leave.signal, events);
    leave.abort(reason);
    await assert.rejects(running, reason);
  });
});
