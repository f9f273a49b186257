import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { daysOf, differing, judge, lackingHours } from "../../src/audit/compare.ts";
import type { Audit } from "../../src/audit/receipt.ts";
import type { Covered } from "../../src/intervals/watermark.ts";
import type { AuditedSession, AuditGroup, SourceGroup } from "../../src/models/audit.ts";

const HOUR = 3_600_000;
const DAY = 20_727;
const DAY_MS = DAY * 24 * HOUR;

const group = (bucket: number, sessions: number, checksum: number, day = DAY): SourceGroup => ({
  day,
  bucket,
  sessions,
  checksum,
  listed: sessions,
  all: sessions,
});
const session = (name: string, version: string, more: Partial<AuditedSession> = {}): AuditedSession => ({
  team: "1",
  session: name,
  version,
  day: DAY,
  ingested: DAY_MS / 1000,
  gone: false,
  checksum: 7,
  ...more,
});
const covered = (from: number, to: number, readAt: number): Covered => ({
  interval: { start: new Date(DAY_MS + from * HOUR), end: new Date(DAY_MS + to * HOUR) },
  readAt: new Date(DAY_MS + readAt * HOUR),
  committedAt: new Date(DAY_MS + readAt * HOUR),
});
const chosen = (source: SourceGroup[], destination: AuditGroup[], most = 1000) => {
  const { buckets, unexamined } = differing(source, destination, most);
  return { buckets: Object.fromEntries([...buckets].map(([day, set]) => [day, [...set]])), unexamined };
};
const checksum = (text: string): number => createHash("md5").update(text).digest().readUInt32BE(0);
const audit = (readAt: number, lacking: Audit["lacking"]): Audit => ({
  layout: 1,
  export: "replays",
  readAt: new Date(DAY_MS + readAt * HOUR),
  days: [],
  lacking,
  unexamined: 0,
});

suite("comparing a destination with its source", () => {
  test("groups that are equal on both sides are not looked at", () => {
    assert.deepEqual(chosen([group(1, 2, 9)], [group(1, 2, 9)]), { buckets: {}, unexamined: 0 });
  });

  test("groups with other numbers or other sums are looked at, those that lack most first", () => {
    const source = [group(1, 2, 9), group(2, 5, 9), group(3, 4, 8)];
    const destination = [group(1, 2, 8), group(2, 6, 9)];
    assert.deepEqual(chosen(source, destination).buckets, { [DAY]: [3, 1, 2] });
    assert.deepEqual(chosen(source, destination, 5), { buckets: { [DAY]: [3] }, unexamined: 7 });
  });

  test("a group that is too large by itself is looked at all the same", () => {
    assert.deepEqual(chosen([group(1, 20, 9)], [], 5), { buckets: { [DAY]: [1] }, unexamined: 0 });
  });

  test("groups that only the destination has are not looked at", () => {
    assert.deepEqual(chosen([group(2, 0, 0)], [group(1, 3, 9), group(2, 3, 9)]).buckets, {});
  });

  test("a group of which the source has only sessions that should have no row is looked at if the destination has one", () => {
    const gone = { ...group(1, 0, 0), listed: 1 };
    assert.deepEqual(chosen([gone], [group(1, 1, 9)]).buckets, { [DAY]: [1] });
    assert.deepEqual(chosen([gone], []).buckets, {});
  });

  test("a session is lacking if the destination has no row of it or a lower version", () => {
    const sessions = [session("none", "b"), session("older", "b"), session("same", "b"), session("fuller", "b")];
    const versions = new Map([
      ["1|older", "a"],
      ["1|same", "b"],
      ["1|fuller", "c"],
    ]);
    const { lacking, missing } = judge(sessions, versions);
    assert.deepEqual(
      lacking.map((one) => one.session),
      ["none", "older"],
    );
    assert.deepEqual([...missing], [[DAY, 1]]);
  });

  test("a session that should have no row is lacking only if the destination has an older one", () => {
    const gone = ["nothing", "older", "remembered"].map((name) => session(name, "b", { gone: true }));
    const versions = new Map([
      ["1|older", "a"],
      ["1|remembered", "b"],
    ]);
    const { lacking, missing } = judge(gone, versions);
    assert.deepEqual([lacking.map((one) => one.session), [...missing]], [["older"], []]);
  });

  test("lacking sessions make their hours of ingestion lack, unless nothing has read those yet", () => {
    const at = (hour: number) => ({ ingested: DAY_MS / 1000 + hour * 3600 + 1800 });
    const sessions = [session("a", "1", at(2)), session("b", "1", at(2)), session("c", "1", at(7))];
    assert.deepEqual(lackingHours(sessions, [covered(0, 5, 6)], undefined), [
      { interval: covered(2, 3, 0).interval, sessions: 2, checksum: 14, unrepaired: false },
    ]);
  });

  test("an hour that was read again and lacks the same sessions is unrepaired", () => {
    const lacking = { interval: covered(0, 1, 0).interval, sessions: 1, checksum: 7, unrepaired: false };
    const unrepaired = (before: Audit | undefined, readAt: number): boolean | undefined =>
      lackingHours([session("a", "1")], [covered(0, 1, readAt)], before)[0]?.unrepaired;
    assert.equal(unrepaired(undefined, 3), false);
    assert.equal(unrepaired(audit(4, [lacking]), 3), false, "not read since");
    assert.equal(unrepaired(audit(4, [lacking]), 5), true);
    assert.equal(unrepaired(audit(4, [{ ...lacking, unrepaired: true }]), 3), true, "stays so without another read");
    assert.equal(unrepaired(audit(4, [{ ...lacking, checksum: 8 }]), 5), false, "lacks other sessions now");
    assert.equal(unrepaired(audit(4, [{ ...lacking, sessions: 2 }]), 5), false, "lacks fewer sessions now");
  });

  test("a day says how many sessions are on each side, and how many only the destination has at least", () => {
    const source = [{ ...group(1, 5, 0), all: 6 }, group(2, 3, 0)];
    const destination = [group(1, 9, 0), group(4, 1, 0, DAY + 1)];
    assert.deepEqual(daysOf(source, destination, { lacking: [session("a", "1")], missing: new Map([[DAY, 1]]) }), [
      { day: "2026-10-01", source: 8, destination: 9, lacking: 1, onlyDestination: 1 },
      { day: "2026-10-02", source: 0, destination: 1, lacking: 0, onlyDestination: 1 },
    ]);
  });

  test("whatever a destination lacks is looked at, and nothing else is lacking", () => {
    const version = fc.integer({ min: 0, max: 3 });
    const sides = fc.array(fc.record({ source: fc.option(version), destination: fc.option(version) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(sides, fc.integer({ min: 1, max: 4 }), (rows, buckets) => {
        const numbered = rows.map((row, index) => ({ ...row, name: String(index), bucket: index % buckets }));
        const groupsOf = (side: "source" | "destination"): SourceGroup[] =>
          [
            ...Map.groupBy(
              numbered.filter((row) => row[side] !== null),
              ({ bucket }) => bucket,
            ),
          ].map(([bucket, inside]) =>
            group(
              bucket,
              inside.length,
              inside.reduce((sum, row) => sum + checksum(`${row.name}|${row[side]}`), 0),
            ),
          );
        const { buckets: looked } = differing(groupsOf("source"), groupsOf("destination"), 1000);
        const listed = numbered.filter((row) => row.source !== null && looked.get(DAY)?.has(row.bucket));
        const there = numbered.flatMap(({ name, destination }): [string, string][] =>
          destination === null ? [] : [[`1|${name}`, String(destination)]],
        );
        const verdict = judge(
          listed.map(({ name, source }) => session(name, String(source))),
          new Map(there),
        );
        assert.deepEqual(
          verdict.lacking.map((one) => one.session).sort(),
          numbered
            .filter(({ source, destination }) => source !== null && (destination === null || destination < source))
            .map(({ name }) => name)
            .sort(),
        );
      }),
    );
  });
});
