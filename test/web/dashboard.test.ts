/** The page: what it shows, and that nothing on it can be more than text. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ReplayportError } from "../../src/errors.ts";
import { dashboardPage, type Snapshot } from "../../src/web/page/dashboard_page.ts";
import { span } from "../../src/web/page/format.ts";
import { openApp } from "./app_client.ts";
import { at, backfill, ERROR, exportStatus, fakeFleet, hours, NOW, PAUSE, run } from "../support/fake_fleet.ts";

const { state } = fakeFleet();
const EMPTY: Snapshot = {
  at: NOW,
  health: state.health,
  exports: [],
  queue: state.queue,
  backfills: [],
  running: [],
  failed: [],
  problems: [],
};
const render = async (snapshot: Partial<Snapshot>): Promise<string> =>
  String(await dashboardPage({ ...EMPTY, ...snapshot }, { login: "none", refreshes: true }));
/** As a reader sees it, or nearly. */
const words = (page: string): string =>
  page
    .replaceAll(/<style>.*?<\/style>|<[^>]+>/gs, " ")
    .replaceAll("&#39;", "'")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ([,:.])/g, "$1");

suite("dashboard page", () => {
  test("the dashboard shows exports that need attention first, with the reason and the command that helps", async () => {
    const failedIntervals = [{ interval: hours(3), error: ERROR, retryAt: at("2026-10-05T12:04:00Z") }];
    const page = words(
      await render({
        exports: [
          exportStatus("well"),
          exportStatus("ill", { failuresInRow: 1, failedIntervals, due: 3, gaps: [hours(1)], gapCount: 4 }),
          exportStatus("paused", { paused: PAUSE, failuresInRow: 10, lagSeconds: 55_000 }),
          exportStatus("by_hand", { paused: { ...PAUSE, by: "jane" } }),
          exportStatus("new", { ledgerAt: undefined, lagSeconds: undefined, due: undefined, loadedUntil: undefined }),
        ],
      }),
    );
    assert.ok(page.indexOf(" paused @hourly") < page.indexOf(" ill @hourly"));
    assert.ok(page.indexOf(" ill @hourly") < page.indexOf(" by_hand @hourly"), "a pause that somebody wanted can wait");
    assert.ok(page.indexOf(" by_hand @hourly") < page.indexOf(" well @hourly"));
    for (const part of [
      "2 failing",
      "2 paused",
      "Paused by replayport 2 h ago: 10 intervals failed in a row To end it: replayport resume paused",
      "One interval is tried in 10 min",
      "1 interval failed, 2026-10-05 03:00 – 04:00: ClickHouse at clickhouse:8123 does not answer Look whether it runs: replayport check. Retried in 4 min.",
      "4 gaps, the oldest 2026-10-05 01:00 – 02:00",
      "15 h 16 min until 2026-10-05 11:00",
      "Furthest behind 15 h 16 min paused",
      "up to date",
      "not checked yet",
      "48,211 rows, 5.43 MB",
    ]) {
      assert.ok(page.includes(part), `${part} is not in: ${page}`);
    }
  });

  test("the dashboard shows an error once, however many intervals it affects", async () => {
    const of = (hour: number, message: string) => ({
      interval: hours(hour),
      error: { ...ERROR, message },
      retryAt: undefined,
    });
    const one = exportStatus("ill", { failedIntervals: [of(3, "no table"), of(7, "no table"), of(5, "no disk")] });
    const page = words(await render({ exports: [one] }));
    assert.match(page, /2 intervals failed, 2026-10-05 03:00 – 08:00: no table /);
    assert.match(page, /1 interval failed, 2026-10-05 05:00 – 06:00: no disk /);
    assert.equal(page.split("no table").length, 2);
    const paused = { ...one, paused: { ...PAUSE, reason: "3 intervals failed, the last with: no table" } };
    assert.equal(words(await render({ exports: [paused] })).split("no table").length, 2);
    const failed = [9, 8, 7].map((hour) => run({ state: "failed", interval: hours(hour), error: ERROR }));
    assert.match(words(await render({ failed })), /replays 3 2026-10-05 07:00 – 10:00 ClickHouse at/);
    const others = words(await render({ failed: [...failed, run({ state: "failed", export: "b", error: ERROR })] }));
    assert.match(others, /replays 3 .* b 1 /);
  });

  test("the dashboard shows that a destination's ledger can't be read, although no run has failed", async () => {
    const away = exportStatus("away", {
      ledgerAt: undefined,
      lagSeconds: undefined,
      due: undefined,
      ledgerError: ERROR,
    });
    const page = words(await render({ exports: [exportStatus("well"), away] }));
    assert.match(page, /1 failing/);
    assert.match(page, /Can't read the load history: ClickHouse at/);
    assert.ok(page.indexOf(" away @hourly") < page.indexOf(" well @hourly"));
  });

  test("the dashboard shows that no scheduler or no worker runs", async () => {
    const alone = { ...state.health, processes: state.health.processes.filter(({ kind }) => kind === "scheduler") };
    const page = words(await render({ health: alone }));
    assert.match(page, /No worker is running, so nothing is loaded\. To start one: replayport worker/);
    assert.doesNotMatch(page, /No scheduler|all is well/);
    const nobody = words(await render({ health: { ...state.health, processes: [] } }));
    assert.match(nobody, /No scheduler is running/);
    const away = { redis: false, problem: "gone", redisMs: undefined, warnings: [], processes: [] };
    assert.doesNotMatch(words(await render({ health: away })), /No scheduler|No worker/);
  });

  test("the dashboard shows the queue, processes, backfills with progress, failures with hints, and runs", async () => {
    const page = words(
      await render({
        backfills: [backfill({ failed: 1, done: 17, failures: [{ interval: hours(1), error: ERROR }] })],
        failed: [run({ state: "failed", error: ERROR, attempt: 5 })],
        running: [
          run({ state: "running", stage: "staging" }),
          run({ state: "retrying", error: ERROR, nextAttemptAt: at("2026-10-05T12:00:40Z") }),
        ],
      }),
    );
    for (const part of [
      "Waiting 3 and 2 of backfills",
      "Workers 2 1 scheduler",
      "17 of 30 intervals, 1 failed, 7 min left",
      "by api",
      "source.unreachable",
      "staging and loading for 54 min",
      "attempt 2 in 40 s",
    ]) {
      assert.ok(page.includes(part), `${part} is not in: ${page}`);
    }
    assert.match(page, /all is well/);
  });

  test("the dashboard says why it's empty while Redis is down", async () => {
    using client = await openApp();
    client.fleet.fail(new ReplayportError("gone, hunter2", { code: "redis.unreachable", remedy: "retry" }));
    client.fleet.state.health = {
      redis: false,
      problem: "Redis is gone.",
      redisMs: undefined,
      warnings: [],
      processes: [],
    };
    const gone = await client.ask("GET", "/");
    assert.equal(gone.status, 200);
    assert.match(words(gone.text), /Redis is down .* Redis is gone\./);
    client.fleet.state.health = { ...client.fleet.state.health, redis: true, problem: undefined };
    const part = await client.ask("GET", "/");
    assert.match(words(part.text), /incomplete .* gone, \[redacted\]/);
  });

  test("the dashboard shows 200 of 10,000 exports and says so", async () => {
    const exports = Array.from({ length: 10_000 }, (_, index) => exportStatus(`export_${index}`));
    const page = await render({ exports });
    assert.match(words(page), /And 9,800 more: GET \/api\/exports/);
    assert.ok(page.length < 500_000);
  });

  test("the dashboard refreshes by itself without a script", async () => {
    const page = await render({});
    assert.match(page, /<meta http-equiv="refresh" content="10" \/>/);
    assert.match(page, /<meta name="viewport"/);
    assert.doesNotMatch(page, /<script|https?:\/\/|src=/);
    using client = await openApp();
    const still = await client.ask("GET", "/?refresh=off");
    assert.doesNotMatch(still.text, /http-equiv/);
    assert.match(still.text, /<a href=".\/">Refresh<\/a>/);
  });
});

suite("nothing on the page is more than text", () => {
  test("the dashboard's policy allows its one style and no script", async () => {
    using client = await openApp();
    for (const path of ["/", "/login"]) {
      const { text, headers } = await client.ask("GET", path);
      const style = /<style>(.*?)<\/style>/s.exec(text)?.[1] ?? "";
      const hash = createHash("sha256").update(style).digest("base64");
      assert.equal(
        headers.get("content-security-policy"),
        `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
      );
      assert.equal(headers.get("x-frame-options"), "DENY");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.doesNotMatch(text, /style="/);
    }
  });

  const text = fc.constantFrom(
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></style><script>x</script>",
    "&lt;b&gt;${1}`",
    "javascript:alert(1)",
  );

  test("names, reasons, errors and hints are escaped on the dashboard", async () => {
    await fc.assert(
      fc.asyncProperty(text, text, text, async (name, message, other) => {
        const error = { ...ERROR, code: other, message, hint: name };
        const failures = [{ interval: hours(1), error }];
        const page = await render({
          exports: [
            exportStatus(name, {
              schedule: message,
              destination: other,
              paused: { ...PAUSE, reason: message, by: other },
              failedIntervals: [{ interval: hours(1), error, retryAt: undefined }],
            }),
            exportStatus(other, { failuresInRow: 1, lastError: error }),
          ],
          backfills: [backfill({ id: other, export: name, createdBy: message, failed: 1, failures })],
          failed: [run({ state: "failed", export: name, backfill: other, error })],
          running: [run({ state: "retrying", export: name, worker: message, error })],
          health: { ...state.health, warnings: [message] },
          problems: [other],
        });
        const tags = new Set([...page.matchAll(/<\/?([a-zA-Z!]+)/g)].map(([, tag]) => tag?.toLowerCase()));
        for (const tag of ["script", "img", "svg", "b"]) assert.ok(!tags.has(tag), `<${tag}>`);
        // Within a tag of ours, an attribute that was broken out of would show here.
        assert.doesNotMatch(page.replaceAll(/="[^"]*"/g, ""), /<[^>]*\son\w+=/);
        assert.doesNotMatch(page, /href="javascript/);
      }),
      { numRuns: 60 },
    );
  });
});

test("durations on the dashboard have one or two units", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0 s"],
    [89, "89 s"],
    [300, "5 min"],
    [3600, "1 h"],
    [11_400, "3 h 10 min"],
    [172_800, "2 d"],
    [187_200, "2 d 4 h"],
  ];
  for (const [seconds, expected] of cases) assert.equal(span(seconds), expected);
});
