/** Which rows die when a batch comes, against the order of reads applied row by row. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { DeadRows } from "../../../destinations/iceberg/dead_rows.ts";
import { computeDelta, type Delta } from "../../../destinations/iceberg/delta.ts";
import type { KeyValue, KeyValues } from "../../../destinations/keys/encode.ts";
import { packKeys } from "../../../destinations/keys/packed_keys.ts";
import { compareReadings } from "../../../src/models/reading_order.ts";

interface Row {
  readonly session: string;
  readonly version: bigint | string | null;
  readonly exportedAt: bigint | null;
  readonly dead: boolean;
  readonly gone: boolean;
}

interface World {
  readonly batch: readonly (readonly Row[])[];
  /** The newest first. */
  readonly live: readonly (readonly Row[])[];
  readonly gone: readonly (readonly Row[])[];
}

const sessions = fc.constantFrom("a", "b", "c", "d", "e");
const version = fc.oneof(fc.bigInt(-2n, 2n), fc.constantFrom("", "1", "2", "10"), fc.constant(null));
const row: fc.Arbitrary<Row> = fc.record({
  session: sessions,
  version,
  exportedAt: fc.oneof(fc.bigInt(0n, 2n), fc.constant(null)),
  dead: fc.boolean(),
  gone: fc.boolean(),
});
const files = fc.array(fc.array(row, { maxLength: 6 }), { maxLength: 4 });
const world: fc.Arbitrary<World> = fc.record({ batch: files, live: files, gone: files });

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const values = (list: readonly KeyValue[]): KeyValues => ({ kind: "values", values: list });
const cell = (value: bigint | string | null): KeyValue => (typeof value === "string" ? bytes(value) : value);

async function* keyRows(rows: readonly Row[]) {
  yield {
    key: [values(rows.map(({ session }) => bytes(session)))],
    order: [values(rows.map((one) => cell(one.version))), values(rows.map((one) => cell(one.exportedAt)))],
    rows: rows.length,
  };
}

const positions = (rows: readonly Row[], is: (row: Row) => boolean): DeadRows =>
  new DeadRows(
    rows.length,
    rows.flatMap((one, at) => (is(one) ? [at] : [])),
  );

const filesOf = (of: readonly (readonly Row[])[]) =>
  of.map((rows) => ({
    rows: rows.length,
    keys: async () => await packKeys(keyRows(rows), rows.length),
    dead: positions(rows, ({ dead }) => dead),
    gone: positions(rows, ({ gone }) => gone),
  }));

async function deltaOf({ batch, live, gone }: World, mostKeys?: number): Promise<Delta> {
  return await computeDelta({ batch: filesOf(batch), live: filesOf(live), gone: filesOf(gone) }, mostKeys);
}

/** Row by row: the highest of each key of the batch, where on a tie the one that comes first here loses. */
function expected({ batch, live, gone }: World) {
  type Placed = Row & { readonly kind: "live" | "gone" | "batch"; readonly file: number; readonly at: number };
  const place = (kind: Placed["kind"], of: readonly (readonly Row[])[]): Placed[] =>
    of.flatMap((rows, file) => rows.map((one, at) => ({ ...one, kind, file, at })));
  const known = [
    ...place("live", live)
      .toReversed()
      .filter(({ dead }) => !dead),
    ...place("gone", gone).toReversed(),
    ...place("batch", batch),
  ];
  const own = batch.map(() => new Set<number>());
  const goneNow = batch.map(() => new Set<number>());
  const killed = live.map((rows) => new Set(rows.flatMap(({ dead }, at) => (dead ? [at] : []))));
  const touched = live.map(() => false);
  const die = ({ kind, file, at }: Placed): void => {
    if (kind === "batch") own[file]?.add(at);
    if (kind !== "live") return;
    killed[file]?.add(at);
    touched[file] = true;
  };
  for (const session of new Set(batch.flat().map((one) => one.session))) {
    const rows = known.filter((one) => one.session === session);
    const highest = rows.reduce((best, one) => (compareReadings(one, best) >= 0 ? one : best));
    for (const one of rows) if (one !== highest) die(one);
    if (highest.kind !== "batch" || !highest.gone) continue;
    die(highest);
    goneNow[highest.file]?.add(highest.at);
  }
  return { own, gone: goneNow, live: killed.map((set, at) => (touched[at] === true ? set : undefined)) };
}

const listed = (sets: readonly (Iterable<number> | undefined)[]): (number[] | undefined)[] =>
  sets.map((set) => set && [...set].sort((one, other) => one - other));

const comparable = (delta: Record<keyof Delta, readonly (Iterable<number> | undefined)[]>) => ({
  own: listed(delta.own),
  gone: listed(delta.gone),
  live: listed(delta.live),
});

suite("the delta of a batch", () => {
  test("of each key of the batch one row stays, the highest in the order of reads, and the later one on a tie", async () => {
    await fc.assert(
      fc.asyncProperty(world, async (one) => {
        assert.deepEqual(comparable(await deltaOf(one)), comparable(expected(one)));
      }),
      { numRuns: 500 },
    );
  });

  test("passes over the files give the same as all keys at once", async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.integer({ min: 1, max: 3 }), async (one, mostKeys) => {
        assert.deepEqual(comparable(await deltaOf(one, mostKeys)), comparable(expected(one)));
      }),
      { numRuns: 300 },
    );
  });

  test("a key that the batch lacks is left alone, also where the table has it twice", async () => {
    const twice = { session: "a", version: 1n, exportedAt: 0n, dead: false, gone: false };
    const batch = [[{ ...twice, session: "b" }]];
    assert.deepEqual((await deltaOf({ batch, live: [[twice], [twice]], gone: [] })).live, [undefined, undefined]);
  });

  test("a file that has another number of rows than it should is refused", async () => {
    const [one] = [[{ session: "a", version: 1n, exportedAt: 0n, dead: false, gone: false }]];
    await assert.rejects(packKeys(keyRows(one), 2), /1 rows, not 2/);
    await assert.rejects(packKeys(keyRows([...one, ...one]), 1), /more than 1/);
  });

  test("a version that is too long to be compared is refused, not guessed", async () => {
    const one = { session: "a", version: "x".repeat(33), exportedAt: 0n, dead: false, gone: false };
    await assert.rejects(packKeys(keyRows([one]), 1), { name: "LongVersion" });
  });

  test("dead rows are listed in order and counted once", () => {
    const rows = new DeadRows(20, [17, 3, 8, 3, 25]);
    assert.deepEqual([[...rows], rows.count, rows.has(8), rows.has(9)], [[3, 8, 17], 3, true, false]);
  });
});
