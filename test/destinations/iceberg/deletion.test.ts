/** Sessions that were deleted, and those that no longer match the export's `where`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditScope } from "../../../destinations/destination.ts";
import { MATCHES } from "../../../src/models/deletion.ts";
import { column } from "../../support/batches.ts";
import { COLUMNS, type Fixture, openFixture, SIGNAL, type SqlRow, withPlace } from "./fixture.ts";

const WITH_DELETION = [...COLUMNS, column("is_deleted", "bool", { nullable: true })];
const WITH_WHERE = [...COLUMNS, MATCHES];
const SCOPE: AuditScope = { teams: "all", from: new Date(Date.UTC(2026, 8, 1)) };

const row = (session: string, version: number, deleted: boolean): SqlRow => [
  session,
  version,
  { is_deleted: String(deleted) },
];
const seen = async (fixture: Fixture): Promise<unknown[]> =>
  (await fixture.rows("session_id", "_version")).map((one) => [one["session_id"], one["_version"]]);

await withPlace("deletions in an Iceberg table", (place) => {
  test("a deleted session keeps its row as a tombstone", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(await fixture.batch(0, [[row("a", 1, false), row("b", 1, false)]], WITH_DELETION), SIGNAL);
    await destination.load(await fixture.batch(1, [[row("a", 2, true)]], WITH_DELETION), SIGNAL);
    assert.deepEqual(
      (await fixture.rows("session_id", "is_deleted")).map((one) => one["is_deleted"]),
      [true, false],
    );
    assert.equal(destination.audit.dropsDeleted, false);
  });

  test("with on_delete: delete a deleted session has no row, and no older read brings it back", async () => {
    await using fixture = await openFixture(place, { onDelete: "delete" });
    await using destination = fixture.open();
    const old = await fixture.batch(2, [[row("a", 1, false), row("c", 1, false)]], WITH_DELETION);
    await destination.load(await fixture.batch(0, [[row("a", 1, false), row("b", 1, false)]], WITH_DELETION), SIGNAL);
    await destination.load(await fixture.batch(1, [[row("a", 2, true)]], WITH_DELETION), SIGNAL);
    assert.deepEqual(await seen(fixture), [["b", 1]]);
    await using other = fixture.open();
    await other.load(old, SIGNAL);
    assert.deepEqual(await seen(fixture), [
      ["b", 1],
      ["c", 1],
    ]);
    // What deleted it is known, so an audit doesn't take it for lacking.
    assert.equal(other.audit.dropsDeleted, true);
    const keys = ["a", "b", "x"].map((session) => ({ team: "1", session }));
    assert.deepEqual(
      await other.audit.versions(SCOPE, keys, SIGNAL),
      new Map([
        ["1|b", "1"],
        ["1|a", "2"],
      ]),
    );
    // A newer read of a session that is there again.
    await other.load(await fixture.batch(3, [[row("a", 3, false)]], WITH_DELETION), SIGNAL);
    assert.deepEqual((await seen(fixture))[0], ["a", 3]);
  });

  test("many deletions are remembered, although their files are merged", async () => {
    await using fixture = await openFixture(place, { onDelete: "delete" });
    await using destination = fixture.open();
    const sessions = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const old = await fixture.batch(23, [sessions.map((session) => row(session, 1, false))], WITH_DELETION);
    for (const [hour, session] of sessions.entries()) {
      await destination.load(await fixture.batch(hour, [[row(session, 2, true)]], WITH_DELETION), SIGNAL);
    }
    await using other = fixture.open();
    await other.load(old, SIGNAL);
    assert.deepEqual(await seen(fixture), []);
    assert.deepEqual(await Array.fromAsync(other.collectGarbage?.(false, SIGNAL) ?? []), []);
  });

  test("a session that no longer matches has no row, whatever on_delete says", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    const matching = (session: string, version: number, matches: boolean): SqlRow => [
      session,
      version,
      { _matches: String(matches) },
    ];
    const old = await fixture.batch(2, [[matching("a", 1, true)]], WITH_WHERE);
    await destination.load(
      await fixture.batch(0, [[matching("a", 1, true), matching("b", 1, true)]], WITH_WHERE),
      SIGNAL,
    );
    await destination.load(await fixture.batch(1, [[matching("a", 2, false)]], WITH_WHERE), SIGNAL);
    await destination.load(old, SIGNAL);
    assert.deepEqual(await seen(fixture), [["b", 1]]);
    await destination.load(await fixture.batch(3, [[matching("a", 3, true)]], WITH_WHERE), SIGNAL);
    assert.deepEqual(await seen(fixture), [
      ["a", 3],
      ["b", 1],
    ]);
  });
});
