/** The ledger in parts: with many receipts most are in a base, and all of them are read back, whatever comes. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { currentReceipts } from "../../../destinations/current_receipts.ts";
import type { Receipt } from "../../../destinations/destination.ts";
import { EMPTY_LEDGER, encodeLedger, type LedgerBase } from "../../../destinations/iceberg/ledger_file.ts";
import { ledgerParts, receiptsOf } from "../../../destinations/iceberg/ledger_parts.ts";
import { ALL_TIME, interval } from "../../../src/intervals/interval.ts";
import { EXPORT } from "../../support/batches.ts";
import { openBatches, SIGNAL, type SqlBatches } from "./fixture.ts";
import { type Json, MemoryLake } from "./memory.ts";

const HOUR_MS = 3_600_000;
const START = Date.UTC(2020, 0, 1);
const ROOT = "s3://lake/";

function receipt(attempt: number, hour: number, length: number, readAt: number, committedAt: number): Receipt {
  return {
    export: EXPORT,
    interval: interval(START + hour * HOUR_MS, START + (hour + length) * HOUR_MS),
    attempt: attempt.toString(36).padStart(12, "0"),
    rows: 4000,
    bytes: 500_000,
    files: 1,
    fingerprint: "0123456789abcdef",
    readAt: new Date(readAt),
    watermark: new Date(readAt),
    committedAt: new Date(committedAt),
    sourceColumns: undefined,
  };
}

const many = (count: number): Receipt[] =>
  Array.from({ length: count }, (_, at) => receipt(at, at, 1, START + at, START + at * HOUR_MS));

suite("the parts of a ledger", () => {
  test("have the receipts that count after any sequence of commits", () => {
    const commit = fc.record({
      // Mostly new hours, and any that there are, in sweeps too.
      hour: fc.oneof({ weight: 3, arbitrary: fc.constant("next") }, fc.nat(2_100)),
      length: fc.constantFrom(1, 1, 24, 500),
      // Also a read that is older than the one that counts, and one from the future.
      readBack: fc.constantFrom(0, 0, 5_000 * HOUR_MS, -2 * HOUR_MS),
      waited: fc.constantFrom(HOUR_MS, 60_000, 13 * HOUR_MS),
    });
    const property = fc.property(fc.array(commit, { minLength: 1, maxLength: 60 }), fc.nat(150), (commits, more) => {
      let whole: readonly Receipt[] = many(1_950 + more);
      let now = START + 3_000 * HOUR_MS;
      let base: LedgerBase | undefined;
      let tail = whole;
      let next = whole.length;
      for (const [at, { hour, length, readBack, waited }] of commits.entries()) {
        now += waited;
        const start = hour === "next" ? next++ : hour;
        const one = receipt(10_000 + at, start, hour === "next" ? 1 : length, now - readBack, now);
        whole = currentReceipts([...whole, one]);
        const before = currentReceipts([...receiptsOf({ base, tail }), one]);
        const parts = ledgerParts(before, base, new Date(now));
        base = parts.isNewBase ? { path: `base ${at}`, at: new Date(now), receipts: before } : parts.base;
        tail = parts.tail;
        assert.deepEqual(receiptsOf({ base, tail }), whole);
        if (base) assert.ok(tail.length <= 100 && now - base.at.getTime() < 12 * HOUR_MS);
        else assert.ok(whole.length <= 2_000);
      }
    });
    fc.assert(property, { numRuns: 15, endOnFailure: true });
  });
});

suite("the ledger of an Iceberg table with thousands of receipts", () => {
  const RECEIPTS = 3_000;
  /** A table whose ledger is one file, as earlier versions wrote it, and hourly loads after it. */
  async function loads(
    batches: SqlBatches,
    hours: number,
  ): Promise<{ readonly lake: MemoryLake; readonly now: () => Date }> {
    const lake = new MemoryLake();
    let time = Date.now();
    const now = (): Date => new Date(time);
    await using destination = lake.open({ keepSnapshotsMs: HOUR_MS }, { now });
    await destination.load(await batches.batch(0, [[["a", 1]]]), SIGNAL);
    const [snapshot] = lake.snapshots;
    const old = { ...EMPTY_LEDGER, receipts: many(RECEIPTS), snapshotId: BigInt(String(snapshot?.["snapshot-id"])) };
    const bytes = encodeLedger(EXPORT, { ...old, sequenceNumber: 1 });
    lake.files.set((lake.properties["replayport.ledger"] ?? "").slice(ROOT.length), { bytes, modified: now() });
    // What this process knows of the ledger is another one.
    await using other = lake.open({ keepSnapshotsMs: HOUR_MS }, { now });
    for (let hour = 1; hour <= hours; hour += 1) {
      time += HOUR_MS;
      await other.load(await batches.batch(hour, [[["a", hour + 1]]]), SIGNAL);
    }
    return { lake, now };
  }
  const receiptsIn = async (lake: MemoryLake): Promise<number> => {
    await using cold = lake.open();
    return (await Array.fromAsync(cold.receipts(ALL_TIME, SIGNAL))).length;
  };
  const named = (lake: MemoryLake, what: string) => [...lake.files].filter(([path]) => path.includes(what));

  test("is read on, is small in each commit, and loses the files that no snapshot needs", async () => {
    await using batches = await openBatches();
    const { lake, now } = await loads(batches, 40);
    assert.equal(await receiptsIn(lake), RECEIPTS + 40);
    const sizes = named(lake, ".ledger.avro").map(([, { bytes }]) => bytes.length);
    assert.ok(Math.max(...sizes) < 8_000, `${sizes.join()} bytes`);
    // One for each 12 hours, of the last ten snapshots and of none before.
    const bases = named(lake, ".base.avro").length;
    assert.ok(bases >= 1 && bases <= 2, `${bases} bases`);
    const later = { now: () => new Date(now().getTime() + 100 * HOUR_MS) };
    await using destination = lake.open({}, later);
    assert.deepEqual(await Array.fromAsync(destination.collectGarbage?.(true, SIGNAL) ?? []), []);
    assert.equal(await receiptsIn(lake), RECEIPTS + 40);
  });

  test("stays readable when others' snapshots are all that is left", async () => {
    await using batches = await openBatches();
    const { lake, now } = await loads(batches, 3);
    const table = lake.table ?? assert.fail();
    const snapshots = table["snapshots"] as Json[];
    let last = snapshots.at(-1) ?? assert.fail();
    for (let at = 1; at <= 15; at += 1) {
      const [id, sequence] = [9_000 + at, Number(last["sequence-number"]) + 1];
      const theirs = { "snapshot-id": id, "parent-snapshot-id": last["snapshot-id"], "sequence-number": sequence };
      last = { ...last, ...theirs, summary: { operation: "replace" } };
      snapshots.push(last);
    }
    const current = last["snapshot-id"];
    const refs = { main: { type: "branch", "snapshot-id": current } };
    Object.assign(table, { "current-snapshot-id": current, refs, "last-sequence-number": last["sequence-number"] });
    const later = { now: () => new Date(now().getTime() + 3 * HOUR_MS) };
    await using destination = lake.open({ keepSnapshotsMs: HOUR_MS }, later);
    await destination.load(await batches.batch(50, [[["b", 1]]]), SIGNAL);
    const ours = lake.snapshots.filter(
      (one) => Number(one["snapshot-id"]) < 9_000 || Number(one["snapshot-id"]) > 9_015,
    );
    assert.equal(ours.length, 1, "our earlier snapshots have expired");
    assert.equal(await receiptsIn(lake), RECEIPTS + 4);
  });
});
