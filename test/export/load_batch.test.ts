/** The core: one run, and the runs of an export. Source and destination are fakes here; their own tests are elsewhere. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, suite, test } from "node:test";
import type { Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import { type ExportDefinition, fingerprint } from "../../src/export/definition.ts";
import { type LoadOptions, type Progress, loadBatch } from "../../src/export/load_batch.ts";
import { type RunEvent, runIntervals } from "../../src/export/run_intervals.ts";
import type { Source } from "../../src/export/source.ts";
import type { Model, Read } from "../../src/models/model.ts";
import { FIRST_LOAD, HOUR_ONE, REPLAYS, contentsOf, dependencies } from "../harness/definitions.ts";
import { recordingDestination } from "../harness/recording_destination.ts";

const DEFINITION: ExportDefinition = { ...REPLAYS, format: "jsonl", compression: "none", rowsPerFile: 2 };
const HOUR = 3_600_000;
const hour = (from: number, to: number) => ({
  start: new Date(HOUR_ONE.start.getTime() + from * HOUR),
  end: new Date(HOUR_ONE.start.getTime() + to * HOUR),
});
const signal = AbortSignal.timeout(60_000);

interface FakeSource {
  readonly source: { -readonly [Member in keyof Source]: Source[Member] };
  readonly reads: Omit<Read, "part">[];
  /** Rows of each file. */
  files: number[];
  moved: number;
  /** Thrown by the nth extraction from now on. */
  failAt: Map<number, unknown>;
}

/** Answers with as many rows as it is told; proves nothing of ClickHouse. */
function fakeSource(files: number[]): FakeSource {
  const reads: Omit<Read, "part">[] = [];
  let extracted = 0;
  const model: Model = {
    name: "fake",
    key: ["id"],
    columns: [{ name: "id", type: "int64", nullable: false, privacy: "none", description: "" }],
    rows: ({ part }) => ({ sql: "rows", parameters: { part: part.index } }),
    count: (read) => {
      reads.push(read);
      return { sql: "count", parameters: {} };
    },
    cuts: () => undefined,
    density: () => undefined,
    moved: () => ({ sql: "moved", parameters: {} }),
  };
  const fake: FakeSource = {
    reads,
    files,
    moved: 0,
    failAt: new Map(),
    source: {
      facts: async () => ({ name: "fake", version: "1" }),
      model: async () => model,
      numbers: async ({ sql }) => [{ sessions: sql === "moved" ? fake.moved : fake.files.length * 2 }],
      texts: async () => [],
      extract: async ({ parameters }) => {
        extracted += 1;
        if (fake.failAt.has(extracted)) throw fake.failAt.get(extracted);
        const rows = fake.files[Number(parameters["part"])] ?? 0;
        return { stream: Readable.from([Buffer.from('{"id":1}\n'.repeat(rows))]), rows };
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
  };
  return fake;
}

const receipt = (interval: { start: Date; end: Date }, rows: number, over: Partial<Receipt> = {}): Receipt => ({
  export: "replays",
  interval,
  attempt: "earlier",
  rows,
  bytes: 1,
  files: 1,
  fingerprint: fingerprint(DEFINITION, [
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
    definition = DEFINITION,
  ) => {
    const destination = recordingDestination(contentsOf, receipts);
    const loading = dependencies(fake.source, destination, stageRoot);
    const done = await loadBatch(definition, HOUR_ONE, { ...FIRST_LOAD, ...options }, loading, signal);
    return { done, destination };
  };

  test("files are counted and in order; files without rows are none; nothing stays staged", async () => {
    const { done, destination } = await load(fakeSource([2, 0, 1]), []);
    assert.equal(done.rows, 3);
    assert.deepEqual(
      destination.loaded[0]?.files.map(({ index, rows }) => [index, rows]),
      [
        [0, 2],
        [2, 1],
      ],
    );
    assert.deepEqual(await readdir(stageRoot), []);
  });

  test("the batch's id depends on export and interval; attempts differ", async () => {
    const first = (await load(fakeSource([1]), [])).destination.loaded[0]?.batch;
    const second = (await load(fakeSource([2]), [])).destination.loaded[0]?.batch;
    assert.equal(first?.id, "replays/20261001T000000Z_20261001T010000Z");
    assert.equal(second?.id, first?.id);
    assert.notEqual(second?.attempt, first?.attempt);
  });

  test("an empty interval gets its receipt, and is never extracted", async () => {
    const fake = fakeSource([]);
    fake.failAt.set(1, new Error("asked for rows"));
    assert.equal((await load(fake, [])).done.rows, 0);
  });

  test("a first reading carries nothing along, a repeated one what moved past the last receipt", async () => {
    const fake = fakeSource([1]);
    await load(fake, []);
    assert.equal(fake.reads.at(-1)?.carryFrom, undefined);
    const covered = [hour(0, 1), hour(1, 2), hour(5, 6)].map((interval) => ({ interval, committedAt: interval.end }));
    await load(fake, [], { covered });
    assert.deepEqual(fake.reads.at(-1)?.carryFrom, hour(2, 3).start);
  });

  test("the lookback bounds a reading in time; a late one is a sweep, without it", async () => {
    const fake = fakeSource([1]);
    const sweep = { schedule: REPLAYS.schedule, afterMs: 24 * HOUR };
    await load(fake, [], {}, { ...DEFINITION, sweep });
    assert.deepEqual(fake.reads.at(-1)?.pruneBefore, new Date(HOUR_ONE.start.getTime() - REPLAYS.lookbackMs));
    await load(fake, [], {}, { ...DEFINITION, sweep: { ...sweep, afterMs: HOUR } });
    assert.equal(fake.reads.at(-1)?.pruneBefore, undefined);
  });

  suite("a source that has fewer rows than before", () => {
    const covered = [{ interval: HOUR_ONE, committedAt: HOUR_ONE.end }];

    test("is refused before anything is committed, and what was loaded stays", async () => {
      const receipts = [receipt(HOUR_ONE, 10)];
      await assert.rejects(load(fakeSource([2, 2]), receipts, { covered }), (error) => {
        assert.ok(error instanceof ReplayportError);
        assert.equal(error.code, "load.fewer_rows");
        assert.equal(error.remedy, "give-up");
        assert.match(error.message, /now has 4 sessions .* an earlier reading had 10/);
        assert.match(error.hint ?? "", /--allow-fewer/);
        return true;
      });
      assert.equal(receipts.length, 1);
      assert.deepEqual(await readdir(stageRoot), []);
    });

    test("is right where as many may have moved on", async () => {
      const fake = fakeSource([2, 2]);
      fake.moved = 6;
      assert.equal((await load(fake, [receipt(HOUR_ONE, 10)], { covered })).done.rows, 4);
      fake.moved = 5;
      await assert.rejects(load(fake, [receipt(HOUR_ONE, 10)], { covered }), /now has 4 sessions/);
    });

    test("is accepted when somebody says so, and under other rules", async () => {
      await load(fakeSource([1]), [receipt(HOUR_ONE, 10)], { covered, allowFewer: true });
      await load(fakeSource([1]), [receipt(HOUR_ONE, 10, { fingerprint: "other" })], { covered });
    });

    test("is noticed between two attempts of one run too", async () => {
      const fake = fakeSource([2, 2]);
      fake.failAt.set(2, new ReplayportError("the line broke", { code: "stage.broken", remedy: "retry" }));
      const progress: Progress[] = [];
      const events: RunEvent[] = [];
      const destination = recordingDestination(contentsOf);
      const deps = {
        ...dependencies(fake.source, destination, stageRoot),
        onProgress: (one: Progress) => void progress.push(one),
      };
      const policy = { attempts: 3, firstDelayMs: 1, longestDelayMs: 2 };
      const options = { covered: [], replace: false, allowFewer: false, concurrency: 1, retry: policy };
      const onEvent = (event: RunEvent): void => {
        events.push(event);
        if (event.kind === "retrying") fake.files = [1];
      };
      const { receipts, failures } = await runIntervals(DEFINITION, [HOUR_ONE], options, deps, onEvent, signal);
      assert.equal(receipts.length, 0);
      assert.match(String(failures[0]?.error), /now has 1 sessions .* had 2/);
    });
  });

  test("a destination that receipts other rows than were staged is found out", async () => {
    const destination = recordingDestination(contentsOf);
    const lying = {
      ...destination,
      load: async (batch: Parameters<typeof destination.load>[0], stop: AbortSignal) => ({
        ...(await destination.load(batch, stop)),
        rows: 7,
      }),
    };
    await assert.rejects(
      loadBatch(DEFINITION, HOUR_ONE, FIRST_LOAD, dependencies(fakeSource([1]).source, lying, stageRoot), signal),
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
    const destination = recordingDestination(contentsOf);
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
      loadBatch(DEFINITION, HOUR_ONE, FIRST_LOAD, dependencies(source, refusing, stageRoot), signal),
      /no room/,
    );
    assert.ok(ended);
    assert.deepEqual(await readdir(stageRoot), []);
  });
});

suite("the runs of an export", () => {
  let stageRoot: string;
  before(async () => {
    stageRoot = await mkdtemp(join(tmpdir(), "replayport-test-"));
  });
  after(async () => await rm(stageRoot, { recursive: true, force: true }));
  const options = {
    covered: [],
    replace: false,
    allowFewer: false,
    concurrency: 1,
    retry: { attempts: 3, firstDelayMs: 1, longestDelayMs: 2 },
  };
  const run = async (
    fake: FakeSource,
    intervals = [hour(0, 1), hour(1, 2), hour(2, 3)],
    stop = signal,
    events: RunEvent[] = [],
  ) => {
    const destination = recordingDestination(contentsOf);
    const result = await runIntervals(
      DEFINITION,
      intervals,
      options,
      dependencies(fake.source, destination, stageRoot),
      (event) => void events.push(event),
      stop,
    );
    return { ...result, events, destination };
  };
  const retry = (extra: object = {}) => new ReplayportError("busy", { code: "source.busy", remedy: "retry", ...extra });
  const giveUp = (code: string) => new ReplayportError("no", { code, remedy: "give-up" });

  test("oldest first", async () => {
    const { receipts } = await run(fakeSource([1]));
    assert.deepEqual(
      receipts.map(({ interval }) => interval),
      [hour(0, 1), hour(1, 2), hour(2, 3)],
    );
  });

  test("an error that may pass is tried again, after the time that the other side asked for", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, retry({ retryAfterMs: 30 }));
    const began = performance.now();
    const { receipts, events } = await run(fake);
    assert.equal(receipts.length, 3);
    assert.equal(events.filter(({ kind }) => kind === "retrying").length, 1);
    assert.ok(performance.now() - began >= 29);
  });

  test("not for ever, and the other intervals are loaded", async () => {
    const fake = fakeSource([1]);
    for (const attempt of [1, 2, 3]) fake.failAt.set(attempt, retry());
    const { receipts, failures } = await run(fake);
    assert.equal(failures.length, 1);
    assert.equal(receipts.length, 2);
  });

  test("an attempt that hangs is given up when its time is up, and made again", async () => {
    const fake = fakeSource([1]);
    const { numbers } = fake.source;
    let asked = 0;
    fake.source.numbers = async (query, purpose, stop) => {
      asked += 1;
      if (asked > 1) return await numbers(query, purpose, stop);
      return await new Promise((_resolve, reject) => {
        stop.addEventListener("abort", () => reject(stop.reason as Error));
      });
    };
    const events: RunEvent[] = [];
    const { receipts } = await runIntervals(
      { ...DEFINITION, attemptMs: 20 },
      [hour(0, 1)],
      options,
      dependencies(fake.source, recordingDestination(contentsOf), stageRoot),
      (event) => void events.push(event),
      signal,
    );
    assert.equal(receipts.length, 1);
    const retried = events.find((event) => event.kind === "retrying");
    assert.ok(retried?.error instanceof ReplayportError && retried.error.code === "load.time_limit");
  });

  test("an error that will not pass is tried once, and nothing new is begun after it", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, giveUp("source.auth"));
    const { receipts, failures, events } = await run(fake);
    assert.equal(failures.length, 1);
    assert.equal(receipts.length, 0);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["started", "failed"],
    );
  });

  test("unless it is of one batch alone", async () => {
    const fake = fakeSource([1]);
    fake.failAt.set(1, giveUp("load.fewer_rows"));
    const { receipts } = await run(fake);
    assert.equal(receipts.length, 2);
  });

  test("an abort ends the runs with its reason", async () => {
    const leave = new AbortController();
    const reason = new Error("stop");
    const fake = fakeSource([1]);
    fake.failAt.set(2, reason);
    const events: RunEvent[] = [];
    const running = run(fake, [hour(0, 1), hour(1, 2)], leave.signal, events);
    leave.abort(reason);
    await assert.rejects(running, reason);
  });
});
