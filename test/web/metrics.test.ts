/** The metrics as text, read back by the format's rules. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import type { FleetEvent } from "../../src/fleet/fleet.ts";
import { VERSION } from "../../src/version.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { openApp } from "./app_client.ts";
import { backfill, ERROR, exportStatus, fakeFleet, hours, NOW, PAUSE } from "../support/fake_fleet.ts";

const LINE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>[-+]?(?:\d[\d.e+-]*|Inf|NaN))$/i;

/** `name{label="value"}` to its value. Throws where a line is neither a comment nor a sample. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const type = /^# TYPE (\S+) (?:counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type) assert.ok(!typed.has(type[1] ?? ""), `${line} stands twice`);
    if (type) typed.add(type[1] ?? "");
    if (line.startsWith("#")) continue;
    const groups = LINE.exec(line)?.groups;
    assert.ok(groups, `not a sample: ${line}`);
    const { name = "", labels = "", value = "" } = groups;
    assert.ok(typed.has(name) || typed.has(name.replace(/_(?:bucket|sum|count)$/, "")), `no type: ${line}`);
    const key = labels === "" ? name : `${name}{${labels}}`;
    assert.ok(!samples.has(key), `${key} stands twice`);
    samples.set(key, Number(value));
  }
  return samples;
}

const signal = new AbortController().signal;
const base = { at: NOW, export: "replays", run: "replays/x", interval: hours(10), backfill: undefined, attempt: 1 };
const EVENTS: readonly FleetEvent[] = [
  { kind: "enqueued", at: NOW, export: "replays", run: "replays/x", interval: hours(10) },
  { ...base, kind: "run.started", waitedSeconds: 2 },
  { ...base, kind: "run.stage", stage: "counted", sessions: 5, files: 1, seconds: 0.2 },
  { ...base, kind: "run.stage", stage: "staged", rows: 5, bytes: 500, seconds: 1 },
  {
    ...base,
    kind: "run.loaded",
    rows: 5,
    bytes: 500,
    files: 1,
    committedAt: NOW,
    seconds: 3,
    countSeconds: 0.2,
    stageSeconds: 1,
    loadSeconds: 1.8,
  },
  { ...base, kind: "run.started", waitedSeconds: 0 },
  { ...base, kind: "run.retrying", error: ERROR, delayMs: 1000, seconds: 1 },
  { ...base, kind: "run.started", attempt: 2, waitedSeconds: 900 },
  { ...base, kind: "run.failed", error: ERROR, seconds: 1 },
  { ...base, kind: "run.started", waitedSeconds: 0 },
  { ...base, kind: "run.covered", seconds: 0.1 },
  { ...base, kind: "run.started", waitedSeconds: 0 },
  { ...base, kind: "run.released", seconds: 0.1 },
  { ...base, kind: "run.started", waitedSeconds: 0 },
  { ...base, kind: "run.cancelled", seconds: 0.1 },
  { ...base, kind: "run.started", waitedSeconds: 0 },
  { kind: "export.paused", at: NOW, export: "replays", pause: PAUSE, error: ERROR },
  { kind: "export.resumed", at: NOW, export: "replays", by: "me" },
  { kind: "lag", at: NOW, export: "replays", lagSeconds: 5, due: 1, gaps: 0, paused: false },
  { kind: "tick", at: NOW, export: "", seconds: 0.02, enqueued: 1 },
];

suite("metrics", () => {
  test("metrics count what happens in this process", async () => {
    const fleet = fakeFleet();
    using metrics = createMetrics(fleet);
    for (const event of EVENTS) fleet.tell(event);
    const samples = parse(await metrics.text(signal));
    const expected: Readonly<Record<string, number>> = {
      'replayport_runs_total{export="replays",outcome="loaded"}': 1,
      'replayport_runs_total{export="replays",outcome="retrying"}': 1,
      'replayport_runs_total{export="replays",outcome="failed"}': 1,
      'replayport_runs_total{export="replays",outcome="covered"}': 1,
      'replayport_runs_total{export="replays",outcome="released"}': 1,
      'replayport_runs_total{export="replays",outcome="cancelled"}': 1,
      'replayport_retries_total{export="replays",code="source.unreachable"}': 1,
      'replayport_failures_total{export="replays",code="source.unreachable"}': 1,
      'replayport_rows_total{export="replays"}': 5,
      'replayport_bytes_total{export="replays"}': 500,
      'replayport_files_total{export="replays"}': 1,
      'replayport_enqueued_total{export="replays"}': 1,
      'replayport_pauses_total{export="replays"}': 1,
      replayport_running: 1,
      'replayport_stage_duration_seconds_sum{stage="count"}': 0.2,
      'replayport_stage_duration_seconds_sum{stage="stage"}': 1,
      'replayport_stage_duration_seconds_sum{stage="load"}': 1.8,
      'replayport_stage_duration_seconds_count{stage="run"}': 1,
      'replayport_stage_duration_seconds_bucket{le="2.5",stage="run"}': 0,
      'replayport_stage_duration_seconds_bucket{le="5",stage="run"}': 1,
      // First attempts alone: the others waited for their back-off.
      replayport_queue_wait_seconds_count: 6,
      replayport_queue_wait_seconds_sum: 2,
      replayport_tick_duration_seconds_count: 1,
    };
    for (const [key, value] of Object.entries(expected)) assert.equal(samples.get(key), value, key);
  });

  test("metrics show the fleet's state at the time of the scrape", async () => {
    const fleet = fakeFleet({
      exports: [
        exportStatus("a", {
          paused: PAUSE,
          due: 7,
          lagSeconds: 100,
          gapCount: 2,
          failuresInRow: 10,
          ledgerError: ERROR,
        }),
        exportStatus("b", { lagSeconds: undefined, due: undefined, gapCount: undefined }),
      ],
      backfills: [backfill(), backfill({ state: "done" })],
    });
    using metrics = createMetrics(fleet);
    const first = parse(await metrics.text(signal));
    const expected: Readonly<Record<string, number | undefined>> = {
      'replayport_lag_seconds{export="a"}': 100,
      'replayport_due_intervals{export="a"}': 7,
      'replayport_gaps{export="a"}': 2,
      'replayport_paused{export="a"}': 1,
      'replayport_failures_in_row{export="a"}': 10,
      'replayport_ledger_unreadable{export="a"}': 1,
      'replayport_ledger_unreadable{export="b"}': 0,
      [`replayport_build_info{version="${VERSION}"}`]: 1,
      'replayport_paused{export="b"}': 0,
      'replayport_lag_seconds{export="b"}': undefined,
      'replayport_queue_jobs{state="waiting"}': 3,
      'replayport_queue_jobs{state="backfill"}': 2,
      'replayport_queue_jobs{state="delayed"}': 1,
      'replayport_queue_jobs{state="active"}': 4,
      'replayport_processes{kind="worker"}': 2,
      'replayport_processes{kind="scheduler"}': 1,
      replayport_backfills_running: 1,
      replayport_redis_up: 1,
      replayport_redis_round_trip_seconds: 0.0004,
    };
    for (const [key, value] of Object.entries(expected)) assert.equal(first.get(key), value, key);

    fleet.state.exports = [exportStatus("a", { lagSeconds: 160 })];
    const second = parse(await metrics.text(signal));
    assert.equal(second.get('replayport_lag_seconds{export="a"}'), 160);
    assert.equal(second.get('replayport_paused{export="b"}'), undefined, "an export that is gone is gone here");
  });

  test("metrics keep their counts and leave out the fleet's state while Redis is down", async () => {
    const fleet = fakeFleet();
    using metrics = createMetrics(fleet);
    for (const event of EVENTS) fleet.tell(event);
    await metrics.text(signal);
    fleet.fail(new ReplayportError("away", { code: "redis.unreachable", remedy: "retry" }));
    fleet.state.health = { redis: false, problem: "away", redisMs: undefined, warnings: [], processes: [] };
    const samples = parse(await metrics.text(signal));
    assert.equal(samples.get("replayport_redis_up"), 0);
    for (const key of samples.keys()) {
      assert.doesNotMatch(key, /replayport_(?:lag|paused|queue_jobs|processes|backfills|redis_round)/);
    }
    assert.equal(samples.get('replayport_rows_total{export="replays"}'), 5);
  });

  test("metrics include the process's own, with the event loop's delay", async () => {
    using metrics = createMetrics(fakeFleet());
    const samples = parse(await metrics.text(signal));
    for (const name of [
      "nodejs_eventloop_lag_p99_seconds",
      "process_resident_memory_bytes",
      "nodejs_heap_size_used_bytes",
    ])
      assert.ok(samples.has(name), name);
  });

  test("metrics count requests by route, never by path", async () => {
    using client = await openApp();
    await client.ask("GET", "/api/exports/replays");
    await client.ask("GET", "/api/exports/nope");
    await client.ask("GET", "/no/such/path");
    await client.ask("GET", "/api/queue", { token: null });
    const answer = await client.ask("GET", "/metrics");
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const samples = parse(answer.text);
    const count = (labels: string) => samples.get(`replayport_http_request_duration_seconds_count{${labels}}`);
    assert.equal(count('method="GET",route="/api/exports/:name",status="200"'), 1);
    assert.equal(count('method="GET",route="/api/exports/:name",status="404"'), 1);
    assert.equal(count('method="GET",route="other",status="404"'), 1);
    assert.equal(count('method="GET",route="/api/queue",status="401"'), 1);
  });

  test("metrics stop listening when disposed of, and can be created again", () => {
    const fleet = fakeFleet();
    for (let turn = 0; turn < 3; turn += 1) {
      using _metrics = createMetrics(fleet);
      assert.equal(fleet.listeners, 1);
    }
    assert.equal(fleet.listeners, 0);
  });
});
