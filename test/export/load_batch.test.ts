/** The core: one run. Source and destination are fakes here; their own tests are elsewhere. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Coverage, Receipt } from "../../destinations/destination.ts";
import { type ExportDefinition, fingerprint } from "../../src/export/definition.ts";
import { type LoadOptions, loadBatch } from "../../src/export/load_batch.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import type { Source } from "../../src/export/source.ts";
import type { Read } from "../../src/models/model.ts";
import { FIRST_LOAD, HOUR_MS, HOUR_ONE, REPLAYS, TEXT_REPLAYS, dependencies, hour } from "../support/definitions.ts";
import { type FakeSource, fakeSource } from "../support/fake_source.ts";
import { memoryWarehouse } from "../support/memory_destination.ts";

const signal = AbortSignal.timeout(60_000);

const receipt = (interval: { start: Date; end: Date }, rows: number, over: Partial<Receipt> = {}): Receipt => ({
  export: "replays",
  interval,
  attempt: "earlier",
  rows,
  bytes: 1,
  files: 1,
  fingerprint: fingerprint(TEXT_REPLAYS, [
    { name: "id", type: "int64", nullable: false, privacy: "none", description: "" },
  ]),
  readAt: interval.end,
  committedAt: interval.end,
  ...over,
});

suite("the load of a batch", () => {
  let stageRoot: string;
  before(async () => {
    stageRoot = await mkdtemp(join(tmpdir(), "replayport-test-"));
  });
  after(async () => await rm(stageRoot, { recursive: true, force: true }));

  const load = async (
    fake: FakeSource,
    receipts: Receipt[],
    options: Partial<LoadOptions> = {},
    definition = TEXT_REPLAYS,
  ) => {
    const warehouse = memoryWarehouse({ receipts });
    const loading = dependencies(fake.source, warehouse.destination("replays"), stageRoot);
    const done = await loadBatch(definition, HOUR_ONE, { ...FIRST_LOAD, ...options }, loading, signal);
    return { done, loaded: warehouse.loaded };
  };

  test("files are counted and in order; files without rows are none; nothing stays staged", async () => {
    const { done, loaded } = await load(fakeSource([2, 0, 1]), []);
    assert.equal(done.rows, 3);
    assert.deepEqual(
      loaded[0]?.files.map(({ index, rows }) => [index, rows]),
      [
        [0, 2],
        [2, 1],
      ],
    );
    assert.deepEqual(await readdir(stageRoot), []);
  });

  test("the batch's id depends on export and interval; attempts differ", async () => {
    const first = (await load(fakeSource([1]), [])).loaded[0]?.batch;
    const second = (await load(fakeSource([2]), [])).loaded[0]?.batch;
    assert.equal(first?.id, "replays/20261001T000000Z_20261001T010000Z");
    assert.equal(second?.id, first?.id);
    assert.notEqual(second?.attempt, first?.attempt);
  });

  test("an empty interval gets its receipt, and is never extracted", async () => {
    const fake = fakeSource([]);
    fake.failAt.set(1, new Error("asked for rows"));
    assert.equal((await load(fake, [])).done.rows, 0);
  });

  suite("carries along", () => {
    const sweep = { schedule: REPLAYS.schedule, afterMs: 24 * HOUR_MS };
    const readAfter = (interval: Interval, ms: number): Coverage => {
      const at = new Date(interval.end.getTime() + ms);
      return { interval, readAt: at, committedAt: at };
    };
    const swept = (interval: Interval): Coverage => readAfter(interval, sweep.afterMs);
    const early = (interval: Interval): Coverage => readAfter(interval, 0);
    const lastRead = async (covered: Coverage[], definition: ExportDefinition): Promise<Omit<Read, "part">> => {
      const fake = fakeSource([1]);
      await load(fake, [], { covered }, definition);
      return fake.reads.at(-1) ?? assert.fail("nothing was read");
    };
    const SWEEPING = { ...TEXT_REPLAYS, sweep };

    test("nothing in a first reading", async () => {
      assert.equal((await lastRead([early(hour(1, 2))], SWEEPING)).alsoChangedSince, undefined);
    });

    test("in a repeated one all that moved, whatever was swept since, and without the lookback's bound", async () => {
      const covered = [early(hour(0, 1)), swept(hour(1, 2)), early(hour(2, 3)), swept(hour(5, 6))];
      for (const definition of [SWEEPING, { ...TEXT_REPLAYS, sweep: undefined }]) {
        const read = await lastRead(covered, definition);
        assert.deepEqual(read.alsoChangedSince, hour(0, 1).end);
        assert.equal(read.pruneBefore, undefined);
      }
    });
  });

  test("the lookback bounds a reading in time; a late one is a sweep, without it", async () => {
    const fake = fakeSource([1]);
    const sweep = { schedule: REPLAYS.schedule, afterMs: 24 * HOUR_MS };
    await load(fake, [], {}, { ...TEXT_REPLAYS, sweep });
    assert.deepEqual(fake.reads.at(-1)?.pruneBefore, new Date(HOUR_ONE.start.getTime() - REPLAYS.lookbackMs));
    await load(fake, [], {}, { ...TEXT_REPLAYS, sweep: { ...sweep, afterMs: HOUR_MS } });
    assert.equal(fake.reads.at(-1)?.pruneBefore, undefined);
  });

  suite("an interval that has not ended", () => {
    const NOW = new Date("2026-10-01T06:00:00Z");
    const loadAt = async (of: Interval, now: Date | undefined): Promise<Receipt> => {
      const fake = fakeSource([1]);
      const loading = dependencies(fake.source, memoryWarehouse().destination("replays"), stageRoot);
      const info = { name: "fake", version: "1", ...(now ? { now } : {}) };
      loading.source.count = async () => ({ info, row: { sessions: 1 } });
      return await loadBatch(TEXT_REPLAYS, of, FIRST_LOAD, { ...loading, now: () => NOW }, signal);
    };
    const isNotOver = { code: "load.not_over", remedy: "retry" };

    test("by this machine's clock is refused", async () => {
      await assert.rejects(loadAt(hour(5, 7), undefined), isNotOver);
    });

    test("by the source's clock is refused", async () => {
      await assert.rejects(loadAt(hour(5, 6), new Date(NOW.getTime() - 60_000)), isNotOver);
      assert.equal((await loadAt(hour(5, 6), NOW)).rows, 1);
    });

    test("is not read where the clocks differ by more than half of settle", async () => {
      const wrong = { code: "source.clock", remedy: "retry" };
      await assert.rejects(loadAt(hour(5, 6), new Date(NOW.getTime() + 151_000)), wrong);
      await assert.rejects(loadAt(hour(0, 1), new Date(NOW.getTime() - 151_000)), wrong);
    });

    test("the receipt's time of reading is the earlier clock's", async () => {
      const early = new Date(NOW.getTime() - 60_000);
      assert.deepEqual((await loadAt(HOUR_ONE, early)).readAt, early);
      assert.deepEqual((await loadAt(HOUR_ONE, new Date(NOW.getTime() + 60_000))).readAt, NOW);
    });
  });

  test("the receipt has the watermark that was read with the count", async () => {
    const fake = fakeSource([1]);
    assert.equal((await load(fake, [])).done.watermark, undefined);
    const seconds = HOUR_ONE.end.getTime() / 1000;
    fake.source.numbers = async () => [{ sessions: 1, watermark: seconds }];
    assert.deepEqual((await load(fake, [])).done.watermark, HOUR_ONE.end);
  });

  test("the watermark is never later than the source's clock when it was read", async () => {
    const loading = dependencies(fakeSource([1]).source, memoryWarehouse().destination("replays"), stageRoot);
    const early = new Date(loading.now().getTime() - 60_000);
    const watermark = loading.now().getTime() / 1000;
    const info = { name: "fake", version: "1", now: early };
    loading.source.count = async () => ({ info, row: { sessions: 1, watermark } });
    const { watermark: kept } = await loadBatch(TEXT_REPLAYS, HOUR_ONE, FIRST_LOAD, loading, signal);
    assert.deepEqual(kept, early);
  });

  test("a source that has fewer rows than before is loaded: the destination keeps the others", async () => {
    const covered = [{ interval: HOUR_ONE, readAt: HOUR_ONE.end, committedAt: HOUR_ONE.end }];
    const { done } = await load(fakeSource([2, 2]), [receipt(HOUR_ONE, 10)], { covered });
    assert.equal(done.rows, 4);
  });

  test("a destination that receipts other rows than were staged is found out", async () => {
    const destination = memoryWarehouse().destination("replays");
    const lying = {
      ...destination,
      load: async (batch: Parameters<typeof destination.load>[0], stop: AbortSignal) => ({
        ...(await destination.load(batch, stop)),
        rows: 7,
      }),
    };
    await assert.rejects(
      loadBatch(TEXT_REPLAYS, HOUR_ONE, FIRST_LOAD, dependencies(fakeSource([1]).source, lying, stageRoot), signal),
      /1 rows were staged, the destination's receipt says 7/,
    );
  });

  test("a destination that gives up ends the extraction that runs ahead", async () => {
    const fake = fakeSource([1, 1]);
    const extract = fake.source.extract.bind(fake.source);
    let ended = false;
    const source: Source = {
      ...fake.source,
      extract: async (query, format, compression, purpose, stop) => {
        if (query.parameters["part"] === 0) return await extract(query, format, compression, purpose, stop);
        await new Promise((_resolve, reject) => {
          stop.addEventListener("abort", () => {
            ended = true;
            reject(new Error("aborted"));
          });
        });
        throw new Error("unreachable");
      },
    };
    const destination = memoryWarehouse().destination("replays");
    const refusing = {
      ...destination,
      load: async (batch: Parameters<typeof destination.load>[0]): Promise<Receipt> => {
        for await (const file of batch.files) {
          assert.ok(existsSync(file.path), "staged");
          throw new Error("no room");
        }
        throw new Error("unreachable");
      },
    };
    await assert.rejects(
      loadBatch(TEXT_REPLAYS, HOUR_ONE, FIRST_LOAD, dependencies(source, refusing, stageRoot), signal),
      /no room/,
    );
    assert.ok(ended);
    assert.deepEqual(await readdir(stageRoot), []);
  });
});
