import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { StagedFile } from "../../destinations/destination.ts";
import { eachFile } from "../../destinations/files/each_file.ts";

const SIGNAL = AbortSignal.timeout(60_000);

// oxlint-disable-next-line typescript/require-await -- a list that is pulled from.
async function* staged(count: number, released: number[], fails = false): AsyncIterable<StagedFile> {
  for (let index = 0; index < count; index += 1) {
    const release = (): Promise<void> => (released.push(index), Promise.resolve());
    yield { path: `/x/${index}`, index, rows: index + 1, bytes: 10, sha256: "", release };
  }
  if (fails) throw new Error("the source broke");
}

suite("each file of a batch", () => {
  for (const parallel of [1, 3]) {
    test(`is put and released, ${parallel} at a time, and results come in the order of the files`, async () => {
      const released: number[] = [];
      let [running, most] = [0, 0];
      const put = async ({ index }: StagedFile): Promise<string> => {
        running += 1;
        most = Math.max(most, running);
        // Later files are done earlier.
        for (let tick = 0; tick < 10 - index; tick += 1) await setImmediate();
        running -= 1;
        return `put ${index}`;
      };
      const { results, totals } = await eachFile(staged(6, released), parallel, put, SIGNAL);
      assert.deepEqual(
        results,
        [0, 1, 2, 3, 4, 5].map((index) => `put ${index}`),
      );
      assert.deepEqual(totals, { rows: 21, bytes: 60, files: 6 });
      assert.deepEqual(
        released.sort((a, b) => a - b),
        [0, 1, 2, 3, 4, 5],
      );
      assert.equal(most, parallel);
    });
  }

  for (const broken of ["put", "source"] as const) {
    test(`after an error of a ${broken} the other puts are aborted and waited for, and their files are not released`, async () => {
      const released: number[] = [];
      let ended = 0;
      const put = async ({ index }: StagedFile, signal: AbortSignal): Promise<void> => {
        if (broken === "put" && index === 2) throw new Error("the put broke");
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      };
      const counted = async (file: StagedFile, signal: AbortSignal): Promise<void> =>
        await put(file, signal).finally(() => (ended += 1));
      const work = eachFile(staged(3, released, broken === "source"), 4, counted, SIGNAL);
      await assert.rejects(work, { message: `the ${broken} broke` });
      assert.deepEqual(released, []);
      assert.equal(ended, 3);
    });
  }

  test("an abort rejects with its reason, although a put has hung until then", async () => {
    const abort = new AbortController();
    const reason = new Error("stop");
    const put = async (_: StagedFile, signal: AbortSignal): Promise<void> =>
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
        abort.abort(reason);
      });
    await assert.rejects(eachFile(staged(2, []), 1, put, abort.signal), (error) => error === reason);
  });
});
