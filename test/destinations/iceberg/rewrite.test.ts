/** Files of many dead rows are written again without them: the rows stay the same, whatever happens in between. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { commitBody, openCatalog } from "../../../destinations/catalog/catalog.ts";
import type { Destination, FileOfDeadRows } from "../../../destinations/destination.ts";
import { DeadRows, diedSince } from "../../../destinations/iceberg/dead_rows.ts";
import { currentSchema } from "../../../destinations/table_format/metadata.ts";
import { schemaJson } from "../../../destinations/table_format/schema.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { type Crash, crashAfter } from "../../support/crash.ts";
import { column } from "../../support/batches.ts";
import { COLUMNS, type Fixture, openFixture, SIGNAL, type SqlRow, withPlace } from "./fixture.ts";
import { filesOf } from "./harness.ts";

const DAY_MS = 86_400_000;
const WIDE = [
  ...COLUMNS,
  column("url", "string", { nullable: true }),
  column("tags", "string[]"),
  column("times", "timestamp[]"),
  column("score", "float64", { nullable: true }),
  column("is_deleted", "bool", { nullable: true }),
];
const SESSIONS = ["a", "b", "c", "d", "e", "f", "g", "h"];

const wide = (session: string, version: number): SqlRow => [
  session,
  version,
  {
    value: String(version * 7),
    start_time: `'2026-10-01 12:00:00.${String(version).padStart(6, "0")}'`,
    url: version % 2 === 0 ? "NULL" : `'https://acme.test/${session}?q=ä'`,
    tags: session === "a" ? "[]" : `['${session}', 'x']`,
    times: "['1969-12-31 23:59:59.999999']",
    score: session === "b" ? "NULL" : "0.1",
    is_deleted: "false",
  },
];

async function rewrite(destination: Destination, change = true, percent = 20): Promise<FileOfDeadRows[]> {
  return await Array.fromAsync(destination.rewrite?.({ percent, change }, SIGNAL) ?? []);
}

const deadOf = (files: readonly FileOfDeadRows[]) =>
  files.map(({ rows, dead, rewritten }) => `${dead} of ${rows} ${rewritten ? "rewritten" : "as it was"}`).sort();

await withPlace("an Iceberg table whose files are rewritten", (place) => {
  const id = ({ options }: Fixture) => ({ namespace: options.namespace, name: "replays" });
  const kinds = async (fixture: Fixture) =>
    (await fixture.about()).files.map(([kind, , rows]) => `${kind} ${rows}`).sort();
  /** Eight rows, three of which are dead, in one file. */
  const loadSome = async (fixture: Fixture, destination: Destination): Promise<void> => {
    await destination.load(await fixture.batch(0, [SESSIONS.map((session) => wide(session, 1))], WIDE), SIGNAL);
    await destination.load(await fixture.batch(1, [["b", "d", "h"].map((one) => wide(one, 2))], WIDE), SIGNAL);
  };
  const current = async (fixture: Fixture) =>
    (await fixture.rows("session_id", "_version")).map(
      (one) => `${String(one["session_id"])}${String(one["_version"])}`,
    );

  test("has the same rows, receipts and sums after it, in all columns, and no dead ones", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await loadSome(fixture, destination);
    const seen = async () => ({
      rows: await fixture.rows(),
      receipts: await Array.fromAsync(destination.receipts(ALL_TIME, SIGNAL)),
      sums: await destination.audit.groups({ teams: "all", from: new Date(0) }, SIGNAL),
    });
    const before = await seen();
    assert.equal(before.rows.length, 8);
    assert.deepEqual(deadOf(await rewrite(destination, false)), ["3 of 8 as it was"]);
    assert.deepEqual(await kinds(fixture), ["DATA 3", "DATA 8", "POSITION_DELETES 3"]);
    assert.deepEqual(await rewrite(destination, true, 40), []);
    assert.deepEqual(deadOf(await rewrite(destination)), ["3 of 8 rewritten"]);
    assert.deepEqual(await kinds(fixture), ["DATA 3", "DATA 5"]);
    assert.deepEqual(await seen(), before);
    assert.deepEqual(await rewrite(destination), []);
    const { metadata } = (await openCatalog(fixture.options.catalog).loadTable(id(fixture), SIGNAL)) ?? assert.fail();
    const last = metadata.snapshots.find((one) => one.id === metadata.currentSnapshotId);
    assert.equal(last?.summary["operation"], "replace");
    assert.equal(last.summary["total-records"], "8");
    assert.deepEqual(await Array.fromAsync(destination.collectGarbage?.(false, SIGNAL) ?? []), []);

    // Rows of the copy die, come back and are told apart like others.
    await using other = fixture.open();
    await other.load(await fixture.batch(2, [[wide("a", 2), wide("h", 1)]], WIDE), SIGNAL);
    assert.deepEqual(await current(fixture), ["a2", "b2", "c1", "d2", "e1", "f1", "g1", "h2"]);
    assert.deepEqual(await kinds(fixture), ["DATA 2", "DATA 3", "DATA 5", "POSITION_DELETES 1", "POSITION_DELETES 1"]);
  });

  test("loses the old file when its snapshots expire", async () => {
    await using fixture = await openFixture(place);
    let now = Date.now();
    const deps = { now: () => new Date(now) };
    await using destination = fixture.open(deps, undefined, { keepSnapshotsMs: DAY_MS });
    await loadSome(fixture, destination);
    const [file] = await rewrite(destination);
    assert.ok(file);
    const isThere = async () =>
      (await filesOf(place.found, `${fixture.options.namespace.join("/")}/`)).includes(file.key);
    assert.equal(await isThere(), true);
    now += 2 * DAY_MS;
    for (let hour = 2; hour < 14; hour += 1)
      await destination.load(await fixture.batch(hour, [[wide("z", hour)]], WIDE), SIGNAL);
    assert.equal(await isThere(), false);
    assert.equal((await fixture.rows("session_id")).length, 9);
    assert.deepEqual(await Array.fromAsync(destination.collectGarbage?.(false, SIGNAL) ?? []), []);
  });

  test("keeps what loads have changed between the copy and its commit", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await loadSome(fixture, destination);
    // A second file, which leaves the table meanwhile.
    await destination.load(await fixture.batch(2, [["p", "q", "r"].map((one) => wide(one, 1))], WIDE), SIGNAL);
    await destination.load(await fixture.batch(3, [[wide("p", 2)]], WIDE), SIGNAL);
    let commits = 0;
    const meddling: Crash["step"] = async (name, work) => {
      commits += name === "commit" ? 1 : 0;
      if (name === "commit" && commits === 1) {
        // In one process commits of a table take turns, so the other worker names the catalog otherwise.
        const { catalog } = fixture.options;
        const uri = catalog.uri.replace("127.0.0.1", "localhost");
        await using other = fixture.open({}, undefined, { catalog: { ...catalog, uri } });
        const rows = ["a", "c", "q", "r"].map((one) => wide(one, 3));
        await other.load(await fixture.batch(4, [rows], WIDE), SIGNAL);
      }
      return await work();
    };
    await using rewriting = fixture.open({}, meddling);
    assert.deepEqual(deadOf(await rewrite(rewriting)), ["1 of 3 as it was", "3 of 8 rewritten"]);
    assert.equal(commits, 2);
    assert.deepEqual(await current(fixture), ["a3", "b2", "c3", "d2", "e1", "f1", "g1", "h2", "p2", "q3", "r3"]);
    assert.deepEqual(await kinds(fixture), ["DATA 1", "DATA 3", "DATA 4", "DATA 5", "POSITION_DELETES 2"]);
    assert.deepEqual(await Array.fromAsync(destination.collectGarbage?.(false, SIGNAL) ?? []), []);
  });

  test("keeps a file of which rows are alive again after a rollback", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    const catalog = openCatalog(fixture.options.catalog);
    await destination.load(await fixture.batch(0, [SESSIONS.map((session) => wide(session, 1))], WIDE), SIGNAL);
    const first = (await catalog.loadTable(id(fixture), SIGNAL))?.metadata.currentSnapshotId;
    await destination.load(await fixture.batch(1, [["b", "d", "h"].map((one) => wide(one, 2))], WIDE), SIGNAL);
    let rolledBack = false;
    await using rewriting = fixture.open({}, async (name, work) => {
      if (name === "commit" && !rolledBack) {
        rolledBack = true;
        const updates = [{ action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": first }];
        await catalog.commit(id(fixture), commitBody(id(fixture), { requirements: [], updates }), SIGNAL);
      }
      return await work();
    });
    assert.deepEqual(deadOf(await rewrite(rewriting)), ["3 of 8 as it was"]);
    assert.deepEqual(
      await current(fixture),
      SESSIONS.map((session) => `${session}1`),
    );
  });

  test("has a column's values under its new name", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await loadSome(fixture, destination);
    const catalog = openCatalog(fixture.options.catalog);
    const { metadata } = (await catalog.loadTable(id(fixture), SIGNAL)) ?? assert.fail();
    const schema = currentSchema(metadata);
    const fields = schema.fields.map((one) => (one.name === "value" ? { ...one, name: "amount" } : one));
    const renamed = schemaJson({ ...schema, id: schema.id + 1, fields });
    const updates = [
      { action: "add-schema", schema: renamed, "last-column-id": metadata.lastColumnId },
      { action: "set-current-schema", "schema-id": -1 },
    ];
    await catalog.commit(id(fixture), commitBody(id(fixture), { requirements: [], updates }), SIGNAL);
    const before = await fixture.rows();
    assert.equal(before[0]?.["amount"], 7);
    assert.deepEqual(deadOf(await rewrite(destination)), ["3 of 8 rewritten"]);
    assert.deepEqual(await fixture.rows(), before);
  });

  test("has the same rows wherever a rewrite is killed, and the next one does it", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    const died = new Set<string>();
    for (let step = 1; step < 100; step += 1) {
      // Each round brings all sessions again, and then three of them, so the table stays as small as it is.
      const [hour, version] = [2 * step, 2 * step + 1];
      await destination.load(await fixture.batch(hour, [SESSIONS.map((one) => wide(one, version))], WIDE), SIGNAL);
      const some = SESSIONS.slice(0, 3).map((one) => wide(one, version + 1));
      await destination.load(await fixture.batch(hour + 1, [some], WIDE), SIGNAL);
      const before = await fixture.rows();
      const crash = crashAfter(step);
      await using killed = fixture.open({ onWarning: () => undefined }, crash.step);
      await rewrite(killed).catch((error: unknown) => {
        if (crash.at === undefined) throw error;
      });
      assert.deepEqual(await fixture.rows(), before);
      if (crash.at === undefined) break;
      died.add(crash.at);
    }
    for (const step of ["putFile", "createExclusive", "commit"])
      assert.ok(
        [...died].some((at) => at.startsWith(step)),
        [...died].join(),
      );
    await using later = fixture.open({ now: () => new Date(Date.now() + 2 * DAY_MS) });
    await rewrite(later);
    const before = await fixture.rows();
    await Array.fromAsync(later.collectGarbage?.(true, SIGNAL) ?? []);
    assert.deepEqual(await Array.fromAsync(later.collectGarbage?.(false, SIGNAL) ?? []), []);
    assert.deepEqual(await fixture.rows(), before);
    assert.ok((await kinds(fixture)).every((kind) => !kind.startsWith("POSITION_DELETES")));
  });
});

suite("rows that have died since a file was copied", () => {
  test("are marked in the copy at their new positions", () => {
    const rows = fc.array(fc.constantFrom("alive", "dead before", "dead now"), { maxLength: 40 });
    fc.assert(
      fc.property(rows, (fates) => {
        const at = (...which: string[]) => fates.flatMap((fate, row) => (which.includes(fate) ? [row] : []));
        const before = new DeadRows(fates.length, at("dead before"));
        const died = diedSince(before, new DeadRows(fates.length, at("dead before", "dead now")));
        const copied = fates.filter((fate) => fate !== "dead before");
        assert.equal(died?.rows, copied.length);
        assert.deepEqual(
          [...died],
          copied.flatMap((fate, row) => (fate === "dead now" ? [row] : [])),
        );
      }),
    );
  });

  test("can't be said where a row is alive again", () => {
    assert.equal(diedSince(new DeadRows(3, [1]), new DeadRows(3, [2])), undefined);
  });
});
