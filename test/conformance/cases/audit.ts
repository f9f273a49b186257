/** What an audit asks: the numbers have to be those that ClickHouse computes from the same rows. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { AuditScope } from "../../../destinations/destination.ts";
import { type AuditGroup, BUCKET_SIZE } from "../../../src/models/audit.ts";
import { hours } from "../batches.ts";
import { inContext, row } from "../context.ts";
import type { Case } from "../harness.ts";

const FIRST = Date.UTC(2026, 9, 1);
const DAY_MS = 86_400_000;
const SCOPE: AuditScope = { teams: "all", from: new Date(FIRST - DAY_MS) };
/** Ids as clients may make them. */
const HOSTILE = ["it's", 'a "quote"', "a|bar", "back\\slash", "äöü €", "🎥", "line\nbreak", "", "tab\tand  space"];

const firstBits = (text: string): number => createHash("md5").update(text).digest().readUInt32BE(0);

/** With a few rows, no two share a bucket. */
function groupOf(session: string, version: number, day = FIRST): AuditGroup {
  const bucket = Math.floor(firstBits(`1|${session}`) / BUCKET_SIZE);
  return { day: day / DAY_MS, bucket, sessions: 1, checksum: firstBits(`1|${session}|${version}`) };
}

const sorted = (groups: readonly AuditGroup[]): AuditGroup[] =>
  groups.toSorted((a, b) => a.day - b.day || a.checksum - b.checksum);

export const AUDIT_CASES: readonly Case[] = [
  inContext({
    name: "an empty place has no groups and no versions",
    async run({ destination: { audit }, signal }) {
      assert.deepEqual(await audit.groups(SCOPE, signal), []);
      assert.equal((await audit.versions(SCOPE, [{ team: "1", session: "a" }], signal)).size, 0);
    },
  }),
  inContext({
    name: "groups count and sum the current rows by day and bucket, as MD5 says",
    async run({ destination, batches, signal }) {
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 7)]]), signal);
      const later = { ...row("c", 3), start: "2026-10-02 00:00:00" };
      await destination.load(await batches.batch(hours(1), [[row("a", 2), later]]), signal);
      const before = { ...row("d", 4), start: "2026-09-30 23:59:59.999999" };
      await destination.load(await batches.batch(hours(2), [[before, row("b", 6)]]), signal);
      const groups = [
        groupOf("d", 4, FIRST - DAY_MS),
        groupOf("a", 2),
        groupOf("b", 7),
        groupOf("c", 3, FIRST + DAY_MS),
      ];
      assert.deepEqual(sorted(await destination.audit.groups(SCOPE, signal)), sorted(groups));
    },
  }),
  inContext({
    name: "rows of one day and bucket are one group, however many there are",
    async run({ destination, batches, signal }) {
      const rows = Array.from({ length: 3_000 }, (_, index) => row(`session-${index}`, index));
      await destination.load(await batches.batch(hours(0), [rows]), signal);
      const expected = new Map<number, { sessions: number; checksum: number }>();
      for (const { session, version } of rows) {
        const { bucket, checksum } = groupOf(session, version);
        const sum = expected.get(bucket) ?? { sessions: 0, checksum: 0 };
        expected.set(bucket, { sessions: sum.sessions + 1, checksum: sum.checksum + checksum });
      }
      const groups = await destination.audit.groups(SCOPE, signal);
      assert.deepEqual(
        new Map(groups.map(({ bucket, sessions, checksum }) => [bucket, { sessions, checksum }])),
        expected,
      );
    },
  }),
  inContext({
    name: "groups leave out rows that began before the range, and other teams",
    async run({ destination, batches, signal }) {
      const early = { ...row("early", 1), start: "2026-09-30 23:59:59.999999" };
      await destination.load(await batches.batch(hours(0), [[row("a", 1), early]]), signal);
      const ask = (scope: Partial<AuditScope>) => destination.audit.groups({ ...SCOPE, ...scope }, signal);
      assert.deepEqual(await ask({ from: new Date(FIRST) }), [groupOf("a", 1)]);
      assert.deepEqual(await ask({ from: new Date(FIRST), teams: [1, 2] }), [groupOf("a", 1)]);
      assert.deepEqual(await ask({ teams: 2 }), []);
    },
  }),
  inContext({
    name: "versions are those of the current rows, and none where there is no row",
    async run({ destination, batches, signal }) {
      await destination.load(await batches.batch(hours(0), [[row("a", 1), row("b", 7)]]), signal);
      await destination.load(await batches.batch(hours(1), [[row("a", 2), row("b", 6)]]), signal);
      const keys = ["a", "b", "c"].map((session) => ({ team: "1", session }));
      const versions = await destination.audit.versions(SCOPE, [...keys, { team: "2", session: "a" }], signal);
      assert.deepEqual(
        [...keys, { team: "2", session: "a" }].map(({ team, session }) => versions.get(`${team}|${session}`)),
        ["2", "7", undefined, undefined],
      );
    },
  }),
  inContext({
    name: "ids with quotes, line breaks and other letters have the same checksum and are found",
    async run({ destination, batches, signal }) {
      await destination.load(await batches.batch(hours(0), [HOSTILE.map((session) => row(session, 1))]), signal);
      const groups = await destination.audit.groups(SCOPE, signal);
      assert.deepEqual(sorted(groups), sorted(HOSTILE.map((session) => groupOf(session, 1))));
      const keys = HOSTILE.map((session) => ({ team: "1", session }));
      const versions = await destination.audit.versions(SCOPE, keys, signal);
      assert.deepEqual([...versions.keys()].sort(), HOSTILE.map((session) => `1|${session}`).sort());
    },
  }),
];
