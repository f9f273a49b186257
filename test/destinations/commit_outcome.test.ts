import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Commit, settle } from "../../destinations/commit_outcome.ts";
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";

const SIGNAL = AbortSignal.timeout(60_000);
const POLICY = { attempts: 3, firstDelayMs: 1, longestDelayMs: 2 };
const WON = { outcome: "won", committed: "receipt" } as const;
const PASSING = new ReplayportError("no line", retry("test", "later"));
const FINAL = new ReplayportError("no right", giveUp("test", "grant it"));

interface Tried {
  readonly sent: number;
  readonly readBack: number;
}

/** What is sent and read back, one after the other; the last of each list repeats. Errors are thrown. */
async function settled<T>(
  send: readonly (Awaited<ReturnType<Commit<T>["send"]>> | Error)[],
  readBack: readonly (Awaited<ReturnType<Commit<T>["readBack"]>> | Error)[] = [],
  signal = SIGNAL,
): Promise<{ readonly outcome: unknown; readonly tried: Tried }> {
  const tried = { sent: 0, readBack: 0 };
  const next = <Value>(values: readonly (Value | Error)[], at: number): Promise<Value> => {
    const value = values[Math.min(at, values.length) - 1];
    return value instanceof Error ? Promise.reject(value) : Promise.resolve(value as Value);
  };
  const outcome = await settle(
    {
      send: () => next(send, (tried.sent += 1)),
      readBack: () => next(readBack, (tried.readBack += 1)),
      policy: POLICY,
    },
    signal,
  );
  return { outcome, tried };
}

suite("the outcome of a commit", () => {
  test("a commit whose answer is proof is not read back", async () => {
    assert.deepEqual(await settled([WON]), { outcome: WON, tried: { sent: 1, readBack: 0 } });
  });

  for (const [what, sent] of [
    ["an open answer", "open"],
    ["a broken line", PASSING],
    ["a refusal that no retry helps", FINAL],
    ["an error that nobody foresaw", new Error("bug")],
  ] as const) {
    test(`after ${what} the commit is won if our receipt is there`, async () => {
      assert.deepEqual(await settled([sent], [WON]), { outcome: WON, tried: { sent: 1, readBack: 1 } });
    });

    test(`after ${what} the commit is lost if another attempt's receipt is there`, async () => {
      const lost = { outcome: "lost" } as const;
      assert.deepEqual(await settled([sent], [lost]), { outcome: lost, tried: { sent: 1, readBack: 1 } });
    });

    test(`after ${what} the outcome is unknown if nothing can be read back`, async () => {
      const { outcome } = await settled([sent], [new Error("no line")]);
      assert.equal((outcome as { outcome: string }).outcome, "unknown");
    });
  }

  test("a commit that did not arrive is sent again", async () => {
    assert.deepEqual(await settled([PASSING, PASSING, WON], ["pending", "absent"]), {
      outcome: WON,
      tried: { sent: 3, readBack: 2 },
    });
  });

  test("a commit that may still arrive after the last try is unknown, with the error of its sending", async () => {
    assert.deepEqual(await settled([PASSING], ["pending"]), {
      outcome: { outcome: "unknown", error: PASSING },
      tried: { sent: 3, readBack: 3 },
    });
  });

  test("a commit that cannot arrive any more after the last try is refused", async () => {
    assert.deepEqual(await settled([PASSING], ["absent"]), {
      outcome: { outcome: "refused", error: PASSING },
      tried: { sent: 3, readBack: 3 },
    });
  });

  test("a refusal that no retry helps is not sent again", async () => {
    assert.deepEqual(await settled([FINAL, WON], ["pending"]), {
      outcome: { outcome: "refused", error: FINAL },
      tried: { sent: 1, readBack: 1 },
    });
  });

  test("after an abort nothing is sent", async () => {
    const reason = new Error("stop");
    assert.deepEqual(await settled([WON], [WON], AbortSignal.abort(reason)), {
      outcome: { outcome: "refused", error: reason },
      tried: { sent: 0, readBack: 0 },
    });
  });

  test("a commit that is aborted while it is sent is read back", async () => {
    const abort = new AbortController();
    const sent = async (): Promise<"open"> => {
      abort.abort(new Error("stop"));
      return await Promise.reject(abort.signal.reason as Error);
    };
    const outcome = await settle({ send: sent, readBack: () => Promise.resolve(WON), policy: POLICY }, abort.signal);
    assert.deepEqual(outcome, WON);
  });
});
