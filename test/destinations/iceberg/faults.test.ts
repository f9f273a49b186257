/** What becomes of a commit whose answer says nothing, and of two that meet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commitBody, openCatalog } from "../../../destinations/catalog/catalog.ts";
import { ReplayportError, retry } from "../../../src/errors.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import type { Crash } from "../../support/crash.ts";
import { type Fixture, openFixture, SIGNAL, withPlace } from "./fixture.ts";
import { icebergTarget } from "./harness.ts";

type Step = Crash["step"];

/** A commit's answer that proves nothing. */
const noAnswer = (status?: number) => ({
  answer: "unknown",
  status,
  error: new ReplayportError("no answer", retry("catalog.unavailable", "Ask again.")),
});

/** @param fates of the commits, in order; those after the last one are as ever */
function commits(...fates: ((work: () => Promise<unknown>) => Promise<unknown>)[]): Step {
  const left = [...fates];
  return async (name, work) => {
    const fate = name === "commit" ? left.shift() : undefined;
    // What a fate answers has the shape of a commit's answer.
    return (fate ? await fate(work) : await work()) as Awaited<ReturnType<typeof work>>;
  };
}

const lostRequest = () => Promise.resolve(noAnswer());
const refusedBusy = () => Promise.resolve(noAnswer(503));
const lostAnswer = async (work: () => Promise<unknown>) => {
  await work();
  return noAnswer();
};
const conflict = async (work: () => Promise<unknown>) => {
  await work();
  return noAnswer(409);
};

await withPlace("an Iceberg commit", (place) => {
  const tableOf = ({ options }: Fixture) => ({ namespace: options.namespace, name: "replays" });
  const attempts = async (fixture: Fixture) => {
    await using destination = fixture.open();
    return (await Array.fromAsync(destination.receipts(ALL_TIME, SIGNAL))).map(({ attempt }) => attempt);
  };

  for (const [what, fates] of Object.entries({
    "a request that is lost": [lostRequest],
    "an answer that is lost": [lostAnswer],
    "two requests that are lost, and an answer": [lostRequest, lostRequest, lostAnswer],
    "a catalog that is busy": [refusedBusy, refusedBusy],
    "a conflict that answers its own commit": [conflict],
  })) {
    test(`after ${what} the batch is there once, with one receipt`, async () => {
      await using fixture = await openFixture(place);
      await using healthy = fixture.open();
      await healthy.load(
        await fixture.batch(0, [
          [
            ["a", 1],
            ["b", 1],
          ],
        ]),
        SIGNAL,
      );
      await using destination = fixture.open({}, commits(...fates));
      const batch = await fixture.batch(1, [
        [
          ["a", 2],
          ["c", 1],
        ],
      ]);
      const receipt = await destination.load(batch, SIGNAL);
      assert.deepEqual(await Array.fromAsync(healthy.receipts(batch.interval, SIGNAL)), [receipt]);
      assert.deepEqual(await fixture.rows("session_id", "_version"), [
        { session_id: "a", _version: 2 },
        { session_id: "b", _version: 1 },
        { session_id: "c", _version: 1 },
      ]);
      assert.deepEqual(await icebergTarget(place, fixture.options).leftovers(), []);
    });
  }

  test("an expiry of our snapshot before it's read back doesn't make the commit a lost one", async () => {
    await using fixture = await openFixture(place);
    await using healthy = fixture.open();
    await healthy.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    const catalog = openCatalog(fixture.options.catalog);
    const expired = async (work: () => Promise<unknown>) => {
      await work();
      const id = tableOf(fixture);
      const ours = (await catalog.loadTable(id, SIGNAL))?.metadata.currentSnapshotId;
      await healthy.load(await fixture.batch(2, [[["c", 1]]]), SIGNAL);
      const updates = [{ action: "remove-snapshots", "snapshot-ids": [ours] }];
      const { answer } = await catalog.commit(id, commitBody(id, { requirements: [], updates }), SIGNAL);
      assert.equal(answer, "won");
      return noAnswer();
    };
    // Commits of one process take turns, and this one is in the middle of another: it goes by another table's name.
    await using destination = fixture.open({}, commits(expired), {
      catalog: { ...fixture.options.catalog, uri: fixture.options.catalog.uri.replace("127.0.0.1", "localhost") },
    });
    const batch = await fixture.batch(1, [[["b", 1]]]);
    await destination.load(batch, SIGNAL);
    assert.deepEqual(
      (await fixture.rows("session_id")).map((row) => row["session_id"]),
      ["a", "b", "c"],
    );
    assert.equal((await attempts(fixture)).length, 3);
  });

  test("a commit that can't be read back is unknown, and nothing that it may need is removed", async () => {
    await using fixture = await openFixture(place);
    await using healthy = fixture.open();
    await healthy.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    let silent = false;
    const step: Step = async (name, work) => {
      if (name === "commit") {
        silent = true;
        await work();
        return noAnswer() as Awaited<ReturnType<typeof work>>;
      }
      if (silent && name === "loadTable")
        throw new ReplayportError("no answer", retry("catalog.unavailable", "Ask again."));
      return await work();
    };
    await using destination = fixture.open({}, step);
    const batch = await fixture.batch(1, [[["a", 2]]]);
    await assert.rejects(destination.load(batch, SIGNAL), { code: "load.commit_unknown", remedy: "retry" });
    assert.deepEqual(await fixture.rows("session_id", "_version"), [{ session_id: "a", _version: 2 }]);
    assert.equal((await attempts(fixture)).length, 2);
  });

  test("loads of two workers at once all come through, and each session has its newest row", async () => {
    await using fixture = await openFixture(place);
    const { catalog } = fixture.options;
    const elsewhere = { catalog: { ...catalog, uri: catalog.uri.replace("127.0.0.1", "localhost") } };
    // In one process they take turns, so the other worker names the catalog otherwise.
    await using one = fixture.open();
    await using other = fixture.open({}, undefined, elsewhere);
    await one.load(await fixture.batch(23, [[["start", 1]]]), SIGNAL);
    const batches = [];
    for (let hour = 0; hour < 8; hour += 1)
      batches.push(
        await fixture.batch(hour, [
          [
            ["a", hour + 1],
            [`s${hour}`, 1],
          ],
        ]),
      );
    await Promise.all(batches.map(async (batch, at) => await (at % 2 === 0 ? one : other).load(batch, SIGNAL)));
    assert.deepEqual(
      (await fixture.rows("session_id", "_version")).map((row) => [row["session_id"], row["_version"]]),
      [["a", 8], ...batches.map((_, at) => [`s${at}`, 1]), ["start", 1]],
    );
    assert.equal((await attempts(fixture)).length, 9);
    assert.deepEqual(await icebergTarget(place, fixture.options).leftovers(), []);
  });
});
