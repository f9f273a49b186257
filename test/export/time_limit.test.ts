/** The limit of an attempt's time, with work that heeds its abort and work that does not. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { withinTime } from "../../src/export/time_limit.ts";

const signal = AbortSignal.timeout(60_000);
const tooLong = (error: unknown): boolean =>
  error instanceof ReplayportError && error.code === "load.time_limit" && error.remedy === "retry";
const untilAborted = async (stop: AbortSignal): Promise<never> => {
  await sleep(60_000, undefined, { signal: stop }).catch(() => undefined);
  throw stop.reason;
};

suite("the limit of an attempt", () => {
  test("work that settles within its time limit is returned or rejected as it is", async () => {
    assert.equal(await withinTime({ what: "b", ms: 60_000 }, async () => 7, signal), 7);
    const failure = new Error("no");
    await assert.rejects(
      withinTime({ what: "b", ms: 60_000 }, () => Promise.reject(failure), signal),
      failure,
    );
  });

  test("work that exceeds its time limit is aborted, and the error names the batch", async () => {
    await assert.rejects(withinTime({ what: "replays/1", ms: 6 }, untilAborted, signal), (error) => {
      assert.ok(tooLong(error));
      assert.match(String(error), /replays\/1 took longer than 0\.0001 minutes/);
      return true;
    });
  });

  test("a commit that was under way at the time limit counts", async () => {
    const work = async (stop: AbortSignal): Promise<string> => {
      await untilAborted(stop).catch(() => undefined);
      return "committed";
    };
    assert.equal(await withinTime({ what: "b", ms: 5 }, work, signal), "committed");
  });

  test("work that ignores the abort is no longer waited for", async () => {
    let end: () => void = () => undefined;
    const hung = new Promise<void>((resolve) => {
      end = resolve;
    });
    await assert.rejects(
      withinTime({ what: "b", ms: 5, letGoMs: 5 }, async () => await hung, signal),
      tooLong,
    );
    end();
  });

  test("work that fails after it was left behind causes no unhandled rejection", async () => {
    let fail: (error: Error) => void = () => undefined;
    const hung = new Promise<void>((_resolve, reject) => {
      fail = reject;
    });
    await assert.rejects(
      withinTime({ what: "b", ms: 5, letGoMs: 5 }, async () => await hung, signal),
      tooLong,
    );
    fail(new Error("late"));
    await new Promise(setImmediate);
  });

  test("an abort by the caller reaches the work with its own reason", async () => {
    const leave = new AbortController();
    const running = withinTime({ what: "b", ms: 60_000 }, untilAborted, leave.signal);
    const reason = new Error("stop");
    leave.abort(reason);
    await assert.rejects(running, reason);
  });
});
