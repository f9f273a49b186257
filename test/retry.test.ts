/** The one retry policy: how long it waits, and when it stops. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ANSWER_MS, POST_RETRY } from "../src/alerts/post.ts";
import { SENDING_MS } from "../src/alerts/dedupe.ts";
import { resolveFleet } from "../src/config/fleet.ts";
import { COMMIT_MS, COMMIT_RETRY } from "../destinations/commit_outcome.ts";
import { ReplayportError, giveUp, retry } from "../src/errors.ts";
import { BATCH_RETRY, LONGEST_TIMER_MS, type RetryPolicy, delayAfter, wait, withRetries } from "../src/retry.ts";

const signal = AbortSignal.timeout(60_000);
const BUSY = new ReplayportError("busy", retry("source.busy", "Wait."));
const asking = (retryAfterMs: number) => new ReplayportError("busy", retry("source.busy", "Wait.", retryAfterMs));

suite("the delay between two attempts", () => {
  test("a batch waits for these times, from no jitter to the most", (context) => {
    const table = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((failed) =>
      [0, 0.5, 1 - Number.EPSILON].map((random) => delayAfter(failed, BUSY, BATCH_RETRY, () => random)),
    );
    context.diagnostic(`delays in ms: ${table.map((row) => row.join(" … ")).join(" | ")}`);
    assert.deepEqual(table, [
      [500, 750, 1_000],
      [1_000, 1_500, 2_000],
      [2_000, 3_000, 4_000],
      [4_000, 6_000, 8_000],
      [8_000, 12_000, 16_000],
      [16_000, 24_000, 32_000],
      [30_000, 45_000, 60_000],
      [30_000, 45_000, 60_000],
      [30_000, 45_000, 60_000],
    ]);
  });

  for (const [asked, expected] of [
    [0, 750],
    [749, 750],
    [751, 751],
    [3_600_000, 3_600_000],
    [-5, 750],
    [Number.NaN, 750],
    [Number.POSITIVE_INFINITY, LONGEST_TIMER_MS],
  ] as const) {
    test(`a first failure that asks for ${asked} ms waits for ${expected} ms: the larger of the two, not the sum`, () => {
      assert.equal(
        delayAfter(1, asking(asked), BATCH_RETRY, () => 0.5),
        expected,
      );
    });
  }

  const aPolicy: fc.Arbitrary<RetryPolicy> = fc.record({
    attempts: fc.integer({ min: 1, max: 2_000 }),
    firstDelayMs: fc.integer({ min: 0, max: 600_000 }),
    longestDelayMs: fc.integer({ min: 0, max: 3_600_000 }),
  });
  const aRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const anAttempt = fc.integer({ min: 1, max: 2_000 });

  test("without a request it lies between half and the whole of a delay that doubles up to the longest", () => {
    fc.assert(
      fc.property(aPolicy, anAttempt, aRandom, (policy, failed, random) => {
        const whole =
          policy.firstDelayMs === 0 ? 0 : Math.min(policy.firstDelayMs * 2 ** (failed - 1), policy.longestDelayMs);
        const delay = delayAfter(failed, BUSY, policy, () => random);
        assert.ok(delay >= Math.floor(whole / 2) && delay <= whole, `${delay} of ${whole}`);
      }),
    );
  });

  test("with a request it's never shorter than what was asked for, and always fits a timer", () => {
    const anyNumber = fc.oneof(fc.double(), fc.integer({ min: 0, max: 10_000_000 }));
    fc.assert(
      fc.property(aPolicy, anAttempt, aRandom, anyNumber, (policy, failed, random, asked) => {
        const delay = delayAfter(failed, asking(asked), policy, () => random);
        const unasked = delayAfter(failed, BUSY, policy, () => random);
        const fits = Math.min(asked, LONGEST_TIMER_MS);
        assert.ok(delay === unasked || delay === fits, `${delay} is neither ${unasked} nor ${asked}`);
        assert.ok(delay >= unasked && delay <= LONGEST_TIMER_MS);
        if (!Number.isNaN(asked)) assert.ok(delay >= fits);
      }),
    );
  });
});

suite("withRetries", () => {
  /** Runs work that fails with `errors`, one after the other, and notes the waits. */
  async function attempt(errors: readonly unknown[], options: { attempts?: number } = {}) {
    const waits: number[] = [];
    const attempts: number[] = [];
    const retried: [unknown, number, number][] = [];
    const result = await withRetries(
      async (number) => {
        attempts.push(number);
        const error = errors[number - 1];
        if (error !== undefined) throw error as Error;
        return "done";
      },
      {
        policy: { ...BATCH_RETRY, ...options },
        random: () => 0.5,
        wait: async (ms) => void waits.push(ms),
        onRetry: (...about) => void retried.push(about),
      },
      signal,
    ).catch((error: unknown) => ({ error }));
    return { result, attempts, waits, retried };
  }

  test("returns the first success, after the delays of the policy", async () => {
    const { result, attempts, waits, retried } = await attempt([BUSY, BUSY]);
    assert.deepEqual([result, attempts, waits], ["done", [1, 2, 3], [750, 1_500]]);
    assert.deepEqual(retried, [
      [BUSY, 1, 750],
      [BUSY, 2, 1_500],
    ]);
  });

  test("gives up after the policy's attempts, with the last error and no wait after it", async () => {
    const errors = Array.from({ length: 9 }, () => asking(1));
    const { result, attempts, waits, retried } = await attempt(errors);
    assert.deepEqual([result, attempts.length, waits.length, retried.length], [{ error: errors[4] }, 5, 4, 4]);
  });

  test("makes one attempt where the policy allows one", async () => {
    const { result, attempts, waits } = await attempt([BUSY], { attempts: 1 });
    assert.deepEqual([result, attempts, waits], [{ error: BUSY }, [1], []]);
  });

  test("waits as long as the other side asked", async () => {
    const { waits } = await attempt([asking(30_000), asking(10)]);
    assert.deepEqual(waits, [30_000, 1_500]);
  });

  for (const error of [
    new ReplayportError("wrong password", giveUp("source.auth", "Change it.")),
    new Error("unexpected"),
    new TypeError("fetch failed"),
    "a text",
  ]) {
    test(`makes one attempt after ${String(error)}, and rejects with it as it was thrown`, async () => {
      const { result, attempts, waits, retried } = await attempt([error]);
      assert.deepEqual([result, attempts, waits, retried], [{ error }, [1], [], []]);
    });
  }

  test("retries whatever the caller calls retryable, a TypeError and a text too", async () => {
    const thrown = [new TypeError("no"), "a text"];
    const result = await withRetries(
      async (number) => {
        if (number <= thrown.length) throw thrown[number - 1] as Error;
        return number;
      },
      { policy: BATCH_RETRY, retryable: () => true, wait: async () => undefined },
      signal,
    );
    assert.equal(result, 3);
  });

  test("starts nothing once the signal is aborted", async () => {
    const reason = new Error("stop");
    let started = false;
    const work = async () => {
      started = true;
    };
    await assert.rejects(withRetries(work, { policy: BATCH_RETRY }, AbortSignal.abort(reason)), (error) => {
      assert.equal(error, reason);
      return true;
    });
    assert.equal(started, false);
  });

  test("rejects with the signal's reason when aborted during an attempt or during the real wait", async () => {
    for (const during of ["attempt", "wait"]) {
      const leave = new AbortController();
      const reason = new Error(during);
      let attempts = 0;
      const running = withRetries(
        async () => {
          attempts += 1;
          if (during === "attempt") leave.abort(reason);
          throw BUSY;
        },
        {
          policy: { attempts: 5, firstDelayMs: 60_000, longestDelayMs: 60_000 },
          onRetry: () => void setImmediate(() => leave.abort(reason)),
          wait,
        },
        leave.signal,
      );
      await assert.rejects(running, (error) => {
        assert.equal(error, reason);
        return true;
      });
      assert.equal(attempts, 1);
    }
  });

  test("keeps the result of work that finished although the signal was aborted", async () => {
    const leave = new AbortController();
    const commit = async (): Promise<string> => {
      leave.abort(new Error("stop"));
      return "committed";
    };
    assert.equal(await withRetries(commit, { policy: BATCH_RETRY }, leave.signal), "committed");
  });
});

suite("the waits of a policy, added up", () => {
  /** Milliseconds, where no attempt takes any and the other side asks for nothing more than the longest delay. */
  const waits = ({ attempts, longestDelayMs }: RetryPolicy): number => (attempts - 1) * longestDelayMs;

  test("all attempts to send an alert end before another process may send it", () => {
    assert.ok(waits(POST_RETRY) + POST_RETRY.attempts * ANSWER_MS < SENDING_MS);
  });

  test("a commit's waits leave most of its time to its tries", () => {
    assert.ok(waits(COMMIT_RETRY) < COMMIT_MS / 4);
  });

  test("the fleet makes as many attempts as run does, unless the config says otherwise", () => {
    assert.equal(resolveFleet(undefined).attempts, BATCH_RETRY.attempts);
  });
});
