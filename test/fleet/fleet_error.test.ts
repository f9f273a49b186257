/** When a failed attempt is followed by the next: for any attempt, and any throw of the dice. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ReplayportError } from "../../src/errors.ts";
import { backoffMs, delayAfter, fleetError } from "../../src/fleet/backoff.ts";

const anAttempt = fc.integer({ min: 1, max: 1_000 });
const aThrow = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const NOON = new Date("2026-10-01T12:00:00Z");

suite("the back-off", () => {
  test("lies between a half and the whole of what doubles each time, up to a minute", () => {
    fc.assert(
      fc.property(anAttempt, aThrow, (attempt, dice) => {
        const whole = Math.min(1_000 * 2 ** (attempt - 1), 60_000);
        const delay = backoffMs(attempt, () => dice);
        assert.ok(delay >= whole / 2 && delay <= whole, `${delay} of ${whole}`);
      }),
    );
  });

  test("differs for those that failed together", () => {
    const delays = [0, 0.25, 0.5, 0.75].map((dice) => backoffMs(5, () => dice));
    assert.deepEqual(delays, [8_000, 10_000, 12_000, 14_000]);
  });

  test("is at least what the other side asked for", () => {
    fc.assert(
      fc.property(anAttempt, aThrow, fc.integer({ min: 0, max: 3_600_000 }), (attempt, dice, retryAfterMs) => {
        const error = new ReplayportError("wait", { code: "x", remedy: "retry", retryAfterMs });
        const delay = delayAfter(error, attempt, () => dice);
        assert.equal(
          delay,
          Math.max(
            retryAfterMs,
            backoffMs(attempt, () => dice),
          ),
        );
      }),
    );
  });
});

suite("an error as it is kept", () => {
  const redact = (text: string): string => text.replaceAll("hunter2", "[redacted]");

  test("has no secret in message or hint", () => {
    const error = new ReplayportError("hunter2 is wrong", { code: "x", remedy: "retry", hint: "Not hunter2." });
    const kept = fleetError(error, NOON, redact);
    assert.deepEqual([kept.message, kept.hint, kept.code], ["[redacted] is wrong", "Not [redacted].", "x"]);
    assert.deepEqual([kept.remedy, kept.at], ["retry", NOON]);
  });

  test("that nobody foresaw is final", () => {
    for (const thrown of [new TypeError("hunter2 is not a function"), "hunter2"]) {
      const { code, remedy, message, hint } = fleetError(thrown, NOON, redact);
      assert.deepEqual([code, remedy, hint !== undefined], ["unexpected", "give-up", true]);
      assert.match(message, /^\[redacted\]/);
    }
  });
});
