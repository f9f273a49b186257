/** The page: what it shows, and that nothing on it can be more than text. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ReplayportError } from "../../src/errors.ts";
import { type Filter, overviewPage, type Snapshot } from "../../src/web/page/overview_page.ts";
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
const render = async (snapshot: Partial<Snapshot>, filter: Partial<Filter> = {}): Promise<string> =>
  String(
    await overviewPage(
      { ...EMPTY, ...snapshot },
      { visitor: { login: "none" }, refreshes: true, filter: { search: "", condition: undefined, ...filter } },
    ),
  );
/** As a reader sees it, or nearly. */
const words = (page: string): string =>
  page
    .replaceAll(/<(style|script)>.*?<\/\1>|<[^>]+>/gs, " ")
    .replaceAll("&#39;", "'")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ([,:.])/g, "$1");

suite("dashboard page", () => {
  test("the dashboard shows exports that need attention first, with the reason and what helps", async () => {
    const failedIntervals = [{ interval: hours(3), error: ERROR, retryAt: at("2026-10-05T12:04:00Z") }];
    const page = words(
      await render({
        exports: [
          exportStatus("well"),
          exportStatus("behind", { lateSeconds: 7_200, lagSeconds: 10_800, due: 2, gapCount: 4 }),
          exportStatus("ill", { failuresInRow: 1, failedIntervals, due: 3 }),
          exportStatus("by_hand", { paused: { ...PAUSE, by: "jane", reason: "moving house" } }),
          exportStatus("new", { ledgerAt: undefined, lagSeconds: undefined, due: undefined, loadedUntil: undefined }),
        ],
      }),
    );
    const order = ["ill", "by_hand", "behind", "new", "well"].map((name) => page.indexOf(` ${name} @hourly`));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      "worst first",
    );
    for (const part of [
      "1 failing",
      "1 paused",
      "1 late",
      "ill lake ClickHouse at clickhouse:8123 does not answer Look whether it runs: replayport check.",
      "1 interval failed, 2026-10-05 03:00 – 04:00, retried in 4 min, source.unreachable",
      "Paused by jane: moving house",
      "3 h behind, late by 2 h",
      "1 h behind, on time",
      "2 due, 4 gaps",
      "Most late by 2 h behind",
      "not checked yet",
      "48,211 rows, 5.43 MB",
    ]) {
      assert.ok(page.includes(part.replace("ill lake", "ill the source")), `${part} is not in: ${page}`);
    }
  });

  test("an export that waits for its schedule isn't late, however far behind now it is", async () => {
    const daily = exportStatus("daily", { schedule: "@daily", lagSeconds: 86_000, lateSeconds: 0 });
    const page = words(await render({ exports: [daily] }));
    assert.match(page, /all is well/);
    assert.match(page, /23 h 53 min behind, on time/);
    assert.doesNotMatch(page, /Needs attention/);
  });

  test("eight exports of one broken folder are one message, although each names its own file", async () => {
    const broken = Array.from({ length: 8 }, (_, index) =>
      exportStatus(`export_${index}`, {
        failuresInRow: 2,
        failedIntervals: [3, 4].map((hour) => ({
          interval: hours(hour),
          error: {
            ...ERROR,
            code: "store.access_denied",
            message: `can't write /lake/export_${index}/${hour}.parquet`,
          },
          retryAt: undefined,
        })),
      }),
    );
    const elsewhere = exportStatus("other", {
      destination: "archive",
      failuresInRow: 1,
      lastError: { ...ERROR, code: "store.access_denied" },
    });
    const source = ["a", "b"].map((destination) =>
      exportStatus(`to_${destination}`, { destination, failuresInRow: 1, lastError: ERROR }),
    );
    const page = await render({ exports: [...broken, elsewhere, ...source] });
    const issues = [...page.matchAll(/<li class="is-bad">.*?<\/li>/gs)].map(([item]) => words(item));
    assert.equal(issues.length, 3, issues.join("\n"));
    assert.match(issues[0] ?? "", /^ 8 exports lake can't write .* 16 intervals failed, .*store\.access_denied/);
    assert.match(issues[0] ?? "", /15 other messages/);
    assert.match(issues[0] ?? "", /export_0, .*and 2 more/);
    assert.match(
      issues[1] ?? "",
      /^ 2 exports the source ClickHouse at/,
      "the source is one cause for all destinations",
    );
    assert.match(issues[2] ?? "", /^ other archive/);
  });

  test("runs that are retried for one cause are one message too, before any has failed for good", async () => {
    const exports = Array.from({ length: 8 }, (_, index) => exportStatus(`export_${index}`));
    const running = exports.map(({ export: name }) => {
      const error = { ...ERROR, code: "store.unreachable", message: `can't write /lake/${name}` };
      return run({ export: name, state: "retrying", error, nextAttemptAt: at("2026-10-05T12:00:40Z") });
    });
    const page = await render({ exports, running });
    const issues = [...page.matchAll(/<li class="is-(\w+)">.*?<\/li>/gs)];
    assert.deepEqual(
      issues.map(([, severity]) => severity),
      ["warn"],
    );
    assert.match(words(issues[0]?.[0] ?? ""), /^ 8 exports lake can't write .* retried in 40 s, store\.unreachable/);
    assert.equal(words(page).split("can't write").length, 2 + 5, "one, and five others behind a line");
  });

  test("a pause after failures is shown with its cause, and when an interval is tried", async () => {
    const paused = { paused: PAUSE, failuresInRow: 10, lastError: ERROR };
    const page = words(await render({ exports: [exportStatus("a", paused), exportStatus("b", paused)] }));
    assert.match(
      page,
      /2 exports the source ClickHouse at .* 2 paused, one interval is tried in 10 min, source\.unreachable/,
    );
    assert.match(page, /failing, paused/);
    assert.doesNotMatch(page, /10 intervals failed in a row/, "the cause says more");
  });

  test("failures that are over are listed once for each cause, and those that need attention only there", async () => {
    const failed = ["a", "b", "c", "d", "ill"].map((name) =>
      run({ state: "failed", export: name, error: { ...ERROR, message: `no answer to ${name}` } }),
    );
    const exports = ["a", "b", "c", "d"].map((name) => exportStatus(name));
    const ill = exportStatus("ill", { failuresInRow: 1, lastError: { ...ERROR, message: "no answer to ill" } });
    const page = words(await render({ exports: [...exports, ill], failed }));
    assert.match(page, /Recent failures of exports that work again .* a b c and 1 more 4 .* no answer to a/);
    assert.equal(page.split("no answer to").length, 3);
  });

  test("the search finds exports by name, destination and schedule, and the states filter them", async () => {
    const exports = [
      exportStatus("replays_eu"),
      exportStatus("replays_us", { destination: "warehouse", paused: { ...PAUSE, by: "jane" } }),
      exportStatus("events", { schedule: "@daily" }),
    ];
    const shown = async (filter: Partial<Filter>): Promise<string[]> =>
      [...(await render({ exports }, filter)).matchAll(/<th scope="row">\s*<a [^>]*>(\w+)/g)].map(
        ([, name = ""]) => name,
      );
    assert.deepEqual((await shown({})).sort(), ["events", "replays_eu", "replays_us"]);
    assert.deepEqual(await shown({ search: "REPLAYS" }), ["replays_us", "replays_eu"]);
    assert.deepEqual(await shown({ search: "replays ware" }), ["replays_us"]);
    assert.deepEqual(await shown({ search: "@daily" }), ["events"]);
    assert.deepEqual(await shown({ condition: "paused" }), ["replays_us"]);
    const none = words(await render({ exports }, { search: "nobody" }));
    assert.match(none, /No export is like that\./);
    using client = await openApp({ state: { exports } });
    const asked = await client.ask("GET", "/?q=ware&state=paused");
    assert.match(asked.text, /exports\/replays_us/);
    assert.doesNotMatch(asked.text, /exports\/replays_eu/);
    assert.match(asked.text, /value="ware"/);
    assert.equal((await client.ask("GET", "/?state=nonsense")).status, 200);
  });

  test("an export that left the config counts under no failure, and its backfill says so", async () => {
    const page = await render({
      exports: [exportStatus("stays")],
      failed: [run({ state: "failed", export: "gone", error: ERROR })],
      backfills: [backfill({ export: "gone" })],
    });
    assert.doesNotMatch(page, /Recent failures/);
    assert.match(words(page), /gone not in the config any more/);
    assert.doesNotMatch(page, /exports\/gone/);
  });

  test("the bar of a cancelled backfill stays where it was", async () => {
    const cancelled = backfill({ state: "cancelled", open: 0, running: 0, done: 12, cancelled: 17, failed: 1 });
    const page = await render({ backfills: [cancelled] });
    assert.match(page, /max="30"\s+value="12"/);
    assert.match(words(page), /12 of 30 intervals, 1 failed, 17 cancelled/);
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
        exports: [exportStatus("replays")],
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
    assert.match(words(gone.text), /Redis is gone\. .*Redis is down/);
    client.fleet.state.health = { ...client.fleet.state.health, redis: true, problem: undefined };
    const part = await client.ask("GET", "/");
    assert.match(words(part.text), /gone, \[redacted\] .*incomplete/);
  });

  test("200 exports that are up to date take a line each destination, until somebody opens it", async () => {
    const exports = Array.from({ length: 200 }, (_, index) =>
      exportStatus(`export_${index}`, { destination: index < 150 ? "lake" : "warehouse" }),
    );
    exports[8] = exportStatus("export_8", { running: 1 });
    exports[7] = exportStatus("export_7", { lateSeconds: 9_000 });
    const page = await render({ exports });
    const folded = [...page.matchAll(/<details data-key="calm [^>]*>\s*<summary>([^<]+)/g)].map(([, text]) =>
      text?.trim(),
    );
    assert.deepEqual(folded, ["149 on time, 1 of them loading", "50 on time"]);
    assert.match(page.replaceAll(/<details.*?<\/details>/gs, ""), /exports\/export_7"/);
    const filtered = await render({ exports }, { search: "export" });
    assert.doesNotMatch(filtered, /<details data-key="calm/);
  });

  test("the dashboard shows 500 of 10,000 exports and says so", async () => {
    const exports = Array.from({ length: 10_000 }, (_, index) => exportStatus(`export_${index}`));
    const page = await render({ exports });
    assert.match(words(page), /And 9,500 more: search for them, or GET \/api\/exports/);
    assert.ok(page.length < 1_500_000, `${page.length}`);
  });

  test("without scripts the dashboard loads itself again, and only then", async () => {
    const page = await render({});
    assert.match(page, /<noscript>\s*<meta http-equiv="refresh" content="10" \/>\s*<\/noscript>/);
    assert.match(page, /<meta name="viewport"/);
    assert.doesNotMatch(page, /https?:\/\/(?!www\.w3\.org)|src=/);
    using client = await openApp();
    const still = await client.ask("GET", "/?refresh=off");
    assert.doesNotMatch(still.text, /http-equiv/);
    assert.match(still.text, /<a href=".\/">Refresh<\/a>/);
  });
});

suite("nothing on the page is more than text", () => {
  test("the pages' policy allows their one style, their one script, and what we serve", async () => {
    using client = await openApp();
    let script = "";
    for (const path of ["/", "/login"]) {
      const { text, headers } = await client.ask("GET", path);
      const hash = (tag: string): string => {
        const [, inside = ""] = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(text) ?? [];
        return createHash("sha256").update(inside).digest("base64");
      };
      // The login form has none.
      if (path === "/") script = hash("script");
      assert.equal(
        headers.get("content-security-policy"),
        `default-src 'none'; style-src 'sha256-${hash("style")}'; script-src 'sha256-${script}' 'self'; connect-src 'self'; ` +
          "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
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
        tags.delete("svg");
        assert.equal(page.split(/<script/i).length, 2, "our own");
        assert.equal(page.split(/<svg/i).length - 1, page.split('<svg class="spark"').length - 1);
        for (const tag of ["img", "b"]) assert.ok(!tags.has(tag), `<${tag}>`);
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
