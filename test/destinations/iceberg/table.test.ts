/** What a load makes of the table: its columns, its files, its snapshots. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commitBody, openCatalog } from "../../../destinations/catalog/catalog.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { column } from "../../support/batches.ts";
import { COLUMNS, openFixture, SIGNAL, type SqlRow, withPlace } from "./fixture.ts";

const DAY_MS = 86_400_000;

await withPlace("an Iceberg table", (place) => {
  test("new columns are added in the commit that brings them, and older rows are NULL there", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(
      await fixture.batch(0, [
        [
          ["a", 1],
          ["b", 1],
        ],
      ]),
      SIGNAL,
    );
    const wider = [...COLUMNS, column("url", "string", { nullable: true }), column("tags", "string[]")];
    await destination.load(
      await fixture.batch(1, [[["b", 2, { url: "'https://acme.test'", tags: "['x']" }]]], wider),
      SIGNAL,
    );
    assert.deepEqual(await fixture.rows("session_id", "_version", "url", "tags"), [
      { session_id: "a", _version: 1, url: null, tags: null },
      { session_id: "b", _version: 2, url: "https://acme.test", tags: ["x"] },
    ]);
    // An export that has fewer columns leaves the table's as they are.
    await destination.load(await fixture.batch(2, [[["b", 3]]]), SIGNAL);
    assert.deepEqual((await fixture.rows("session_id", "_version", "url")).at(-1), {
      session_id: "b",
      _version: 3,
      url: null,
    });
  });

  test("a column of another type is refused with both types, before anything is written", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    const other = COLUMNS.map((one) => (one.name === "value" ? column("value", "string", { nullable: true }) : one));
    const batch = await fixture.batch(1, [[["a", 2]]], other);
    const error = { code: "iceberg.type_clash", message: /value: the table has value long, the export string/ };
    await assert.rejects(destination.load(batch, SIGNAL), error);
    await assert.rejects(async () => await destination.checkRows?.(batch, SIGNAL), error);
    assert.deepEqual(await fixture.rows("session_id", "_version"), [{ session_id: "a", _version: 1 }]);
  });

  test("the table of another export or of another installation is refused until it's adopted", async () => {
    await using fixture = await openFixture(place);
    await using ours = fixture.open({ installation: "here" });
    await ours.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    await using theirs = fixture.open({ installation: "there" });
    const foreign = { code: "iceberg.foreign_owner" };
    await assert.rejects(theirs.load(await fixture.batch(1, [[["b", 1]]]), SIGNAL), foreign);
    await assert.rejects(Array.fromAsync(theirs.covered(ALL_TIME, SIGNAL)), foreign);
    assert.equal(await theirs.adopt?.(SIGNAL), "here");
    assert.equal((await Array.fromAsync(theirs.covered(ALL_TIME, SIGNAL))).length, 1);
    await assert.rejects(Array.fromAsync(ours.covered(ALL_TIME, SIGNAL)), foreign);
  });

  test("a file of which all rows are dead leaves the table, with its deletes", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(
      await fixture.batch(0, [
        [
          ["a", 1],
          ["b", 1],
        ],
      ]),
      SIGNAL,
    );
    await destination.load(await fixture.batch(1, [[["a", 2]]]), SIGNAL);
    const kinds = async () => (await fixture.about()).files.map(([kind, , rows]) => `${kind} ${rows}`).sort();
    assert.deepEqual(await kinds(), ["DATA 1", "DATA 2", "POSITION_DELETES 1"]);
    await destination.load(await fixture.batch(2, [[["b", 2]]]), SIGNAL);
    assert.deepEqual(await kinds(), ["DATA 1", "DATA 1"]);
  });

  test("each data file has one file of deletes, however often rows of it die", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    const rows = ["a", "b", "c", "d"].map((session): SqlRow => [session, 1]);
    await destination.load(await fixture.batch(0, [rows]), SIGNAL);
    for (const [hour, session] of ["a", "b", "c"].entries()) {
      await destination.load(await fixture.batch(hour + 1, [[[session, 2]]]), SIGNAL);
    }
    const { files } = await fixture.about();
    assert.deepEqual(
      files.filter(([kind]) => kind === "POSITION_DELETES").map(([, , dead]) => dead),
      [3],
    );
    assert.equal((await fixture.rows("session_id")).length, 4);
  });

  test("many loads have few manifests, and snapshots that are over expire with their files", async () => {
    await using fixture = await openFixture(place);
    let now = Date.now();
    const deps = { now: () => new Date(now) };
    await using destination = fixture.open(deps, undefined, { keepSnapshotsMs: DAY_MS });
    for (let hour = 0; hour < 24; hour += 1) {
      // Each also kills the row that the one before has brought.
      const rows: SqlRow[] = [
        [`session-${hour}`, 1],
        ["again", hour + 1],
      ];
      await destination.load(await fixture.batch(hour, [rows]), SIGNAL);
    }
    const before = await fixture.about();
    assert.ok(before.manifests <= 17, `${before.manifests} manifests`);
    assert.equal(before.snapshots, 24);
    now += 2 * DAY_MS;
    await destination.load(await fixture.batch(24, [[["again", 25]]]), SIGNAL);
    const after = await fixture.about();
    assert.equal(after.snapshots, 11);
    assert.equal((await fixture.rows("session_id")).length, 25);
    assert.equal((await Array.fromAsync(destination.receipts(ALL_TIME, SIGNAL))).length, 25);
    // Nothing that only the expired ones needed is left, and nothing that the others need is gone.
    assert.deepEqual(await Array.fromAsync(destination.collectGarbage?.(false, SIGNAL) ?? []), []);
    await place.reader.needed({ namespace: fixture.options.namespace, table: "replays" });
  });

  test("after a rollback the receipts are those of the snapshot, and what is due is loaded again", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    const catalog = openCatalog(fixture.options.catalog);
    const id = { namespace: fixture.options.namespace, name: "replays" };
    const hoursOf = async () =>
      (await Array.fromAsync(destination.covered(ALL_TIME, SIGNAL))).map((one) => one.interval.start.getUTCHours());
    await destination.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    const first = (await catalog.loadTable(id, SIGNAL))?.metadata.currentSnapshotId;
    await destination.load(await fixture.batch(1, [[["b", 1]]]), SIGNAL);
    assert.deepEqual(await hoursOf(), [0, 1]);
    const updates = [{ action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": first }];
    const { answer } = await catalog.commit(id, commitBody(id, { requirements: [], updates }), SIGNAL);
    assert.equal(answer, "won");
    assert.deepEqual(await hoursOf(), [0]);
    await destination.load(await fixture.batch(2, [[["c", 1]]]), SIGNAL);
    await destination.load(await fixture.batch(1, [[["b", 1]]]), SIGNAL);
    assert.deepEqual(await hoursOf(), [0, 1, 2]);
    assert.deepEqual(
      (await fixture.rows("session_id")).map((row) => row["session_id"]),
      ["a", "b", "c"],
    );
  });

  test("records that come before the first load make a table that the load extends", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.records.add("corrections", "one", new Date(), SIGNAL);
    await destination.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    assert.deepEqual(await destination.records.all("corrections", SIGNAL), ["one"]);
    assert.deepEqual(await fixture.rows("session_id", "_version"), [{ session_id: "a", _version: 1 }]);
  });

  test("a table that was dropped has no receipts, and is made again by the next load", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(await fixture.batch(0, [[["a", 1]]]), SIGNAL);
    const id = { namespace: fixture.options.namespace, name: "replays" };
    await openCatalog(fixture.options.catalog).dropTable(id, SIGNAL);
    assert.deepEqual(await Array.fromAsync(destination.covered(ALL_TIME, SIGNAL)), []);
    await destination.load(await fixture.batch(0, [[["b", 1]]]), SIGNAL);
    assert.deepEqual(await fixture.rows("session_id"), [{ session_id: "b" }]);
  });
});
