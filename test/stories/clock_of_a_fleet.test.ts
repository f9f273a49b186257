/**
 * Story 4 of issue 9, in a fleet: the scheduler's clock alone is days ahead, the worker's and the source's are right. What must
 * be true: the worker checks each job itself: an interval that has not ended gets no receipt.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { parseIntervalName } from "../../src/intervals/interval.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { redisServer } from "../support/redis.ts";
import { DAY, iso, openStory } from "./story.ts";

const HOUR = 3_600_000;
const redis = await redisServer();
const skip = clickhouseSkip !== false ? clickhouseSkip : "skip" in redis ? redis.skip : false;

suite("the story of a scheduler's clock", { skip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("a worker loads no hour that has not ended, although a scheduler four days ahead asks for it", async () => {
    if ("skip" in redis) return;
    const start = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR;
    await using story = await openStory(server, { export: { start: iso(start), sweep: "off", settle: "1m" } });
    const prefix = `story-${Math.random().toString(36).slice(2)}`;
    await story.configure({}, "schedules.yaml", { redis: { url: redis.url, prefix } });
    const now = Date.now();
    const processes = [
      await story.start(["worker"], { at: now, sourceAt: now }),
      await story.start(["scheduler"], { at: now + 4 * DAY, sourceAt: now }),
    ];
    let said = "";
    for (const { child } of processes) child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    let future: string[] = [];
    try {
      for (const until = Date.now() + 90_000; Date.now() < until; await setTimeout(200)) {
        const { names } = await story.files();
        future = names.filter((name) => {
          const interval = parseIntervalName(/_replayport\/replays\/([^./]+)\..*json$/.exec(name)?.[1] ?? "");
          return interval !== undefined && interval.end.getTime() > Date.now();
        });
        if (future.length > 0 || /not_over|source\.clock/.test(said)) break;
      }
    } finally {
      for (const { child } of processes)
        if (child.exitCode === null) {
          child.kill("SIGKILL");
          await once(child, "exit");
        }
    }
    assert.deepEqual(future, [], "hours that have not ended have receipts");
    assert.match(said, /not_over|source\.clock/);
  });
});
