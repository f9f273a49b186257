import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type SourceClock, agreedNow, askClock, clockBetween } from "../../src/export/clock.ts";
import { ReplayportError } from "../../src/errors.ts";

const NOON = new Date("2026-10-01T12:00:00Z");
const SETTLE = 300_000;
const signal = new AbortController().signal;
const later = (ms: number): Date => new Date(NOON.getTime() + ms);
const clock = (aheadMs: number): SourceClock => ({ name: "ClickHouse", version: "1", aheadMs });

/** What `askClock` finds if the source says `now` after a round trip of so many milliseconds. */
async function aheadBy(now: Date | undefined, roundTripMs: number): Promise<number> {
  const times = [NOON, later(roundTripMs)];
  const info = async () => await Promise.resolve({ name: "ClickHouse", version: "1", ...(now ? { now } : {}) });
  return (await askClock({ info }, () => times.shift() ?? NOON, signal)).aheadMs;
}

suite("the source's clock", () => {
  test("is compared with the middle of the round trip", async () => {
    assert.equal(await aheadBy(later(60_100), 200), 60_000);
    assert.equal(await aheadBy(later(-59_900), 200), -60_000);
  });

  test("is taken for this machine's where the difference is within the round trip", async () => {
    assert.equal(await aheadBy(later(1_900), 2_000), 0);
  });

  test("is this machine's where the source is on it", async () => {
    assert.equal(await aheadBy(undefined, 200), 0);
  });
});

suite("the source's clock, read with a count", () => {
  const aheadAfter = (source: Date): number =>
    clockBetween({ name: "ClickHouse", version: "1", now: source }, NOON, later(30_000)).aheadMs;

  test("is behind by what is left to the time of the question, however long the answer took", () => {
    assert.equal(aheadAfter(later(-2_000)), -2_000);
  });

  test("is ahead by what it's past the answer", () => {
    assert.equal(aheadAfter(later(32_000)), 2_000);
  });

  test("is this machine's between question and answer, and where there's none", () => {
    assert.equal(aheadAfter(later(29_000)), 0);
    assert.equal(clockBetween({ name: "ClickHouse", version: "1" }, NOON, later(1)).aheadMs, 0);
  });
});

suite("the time that both clocks agree on", () => {
  test("is the source's where that is behind", () => {
    assert.deepEqual(agreedNow(clock(-60_000), SETTLE, NOON), later(-60_000));
  });

  test("is this machine's where the source is ahead", () => {
    assert.deepEqual(agreedNow(clock(60_000), SETTLE, NOON), NOON);
  });

  for (const [name, aheadMs, message] of [
    ["behind", -150_001, /150 s ahead of the clock of ClickHouse/],
    ["ahead", 150_001, /150 s behind the clock of ClickHouse/],
  ] as const) {
    test(`is unknown where the source is more than half of settle ${name}`, () => {
      assert.throws(
        () => agreedNow(clock(aheadMs), SETTLE, NOON),
        (error) => {
          assert.ok(error instanceof ReplayportError);
          assert.equal(error.code, "source.clock");
          assert.equal(error.remedy, "retry");
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test("is known where they differ by half of settle, and by a second where there is no settle", () => {
    assert.deepEqual(agreedNow(clock(150_000), SETTLE, NOON), NOON);
    assert.deepEqual(agreedNow(clock(1_000), 0, NOON), NOON);
  });
});
