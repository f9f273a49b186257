/** The pages of an export, a run and a backfill: what they show, and that nothing on them is more than text. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Receipt } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { Interval } from "../../src/intervals/interval.ts";
import { coverageOf, type CoverageQuestion } from "../../src/web/page/coverage.ts";
import { exampleHistory, exampleState } from "../support/example_fleet.ts";
import { at, backfill, ERROR, exportStatus, NOW, run } from "../support/fake_fleet.ts";
import { openApp } from "./app_client.ts";

const words = (page: string): string =>
  page
    .replaceAll(/<(style|script)>.*?<\/\1>|<[^>]+>/gs, " ")
    .replaceAll("&#39;", "'")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ([,:.])/g, "$1");

const HOUR_MS = 3_600_000;
const hour = (text: string) => {
  const start = at(`2026-10-${text}:00:00Z`);
  return { start, end: new Date(start.getTime() + HOUR_MS) };
};
const [RECEIPT] = exampleHistory().receipts;

/** @param lateMs from the interval's end to its read */
function receipt(text: string, hours = 1, lateMs = 300_000): Receipt {
  assert.ok(RECEIPT);
  const { start } = hour(text);
  const end = new Date(start.getTime() + hours * HOUR_MS);
  const readAt = new Date(end.getTime() + lateMs);
  return {
    ...RECEIPT,
    interval: { start, end },
    readAt,
    watermark: end,
    committedAt: new Date(readAt.getTime() + 1000),
  };
}

suite("coverage", () => {
  const { rules } = exampleState();
  const DAY_MS = 24 * HOUR_MS;
  const stateAt = (text: string, question: Partial<CoverageQuestion>): string => {
    assert.ok(rules);
    const day = at(`2026-10-${text.slice(0, 2)}T00:00:00Z`);
    const [only] = coverageOf({
      range: { start: day, end: new Date(day.getTime() + DAY_MS) },
      rules,
      history: { receipts: [], audit: undefined },
      failed: [],
      runs: [],
      backfills: [],
      now: NOW,
      ...question,
    });
    const cell = only?.cells[Number(text.slice(3, 5))];
    return `${cell?.state ?? ""}${cell?.forced === true ? " forced" : ""}`;
  };
  const history = (...receipts: Receipt[]) => ({ history: { receipts, audit: undefined } });
  const audit = {
    readAt: at("2026-10-05T03:00:00Z"),
    from: at("2026-10-01T00:00:00Z"),
    lacking: 0,
    unrepaired: 0,
    onlyDestination: 0,
    lackingIn: [],
  };

  test("an hour is loaded, missing, not due yet, or nothing", () => {
    assert.equal(stateAt("05T09", history(receipt("05T09"))), "loaded");
    assert.equal(stateAt("05T09", history()), "missing");
    assert.equal(stateAt("05T11", history()), "waiting");
    assert.equal(stateAt("05T13", history()), "none", "in the future");
    assert.ok(rules);
    assert.equal(stateAt("05T09", { rules: { ...rules, start: at("2026-10-05T10:00:00Z") } }), "none");
  });

  test("after an export's end nothing is missing, and its page shows its last days", async () => {
    assert.ok(rules);
    const ended = { ...rules, end: at("2026-10-04T00:00:00Z"), dueUntil: at("2026-10-04T00:00:00Z") };
    assert.equal(stateAt("03T23", { ...history(receipt("03T23")), rules: ended }), "loaded");
    assert.equal(stateAt("03T23", { rules: ended }), "missing");
    assert.equal(stateAt("04T00", { rules: ended }), "none");
    using client = await openApp({ state: { ...exampleState(), rules: ended } });
    const { text } = await client.ask("GET", "/exports/replays");
    assert.match(text, /2026-<\/span>10-03/);
    assert.doesNotMatch(text, /2026-<\/span>10-04|>Later</);
    const earlier = await client.ask("GET", "/exports/replays?until=2026-09-12");
    assert.match(earlier.text, />Later</);
  });

  test("an hour is missing if any part of it that is due isn't loaded", () => {
    const quarter = { ...receipt("05T09"), interval: { start: hour("05T09").start, end: at("2026-10-05T09:45:00Z") } };
    assert.equal(stateAt("05T09", history(quarter)), "missing");
    assert.ok(rules);
    const due = { ...rules, dueUntil: at("2026-10-05T09:45:00Z") };
    assert.equal(stateAt("05T09", { ...history(quarter), rules: due }), "loaded");
  });

  test("a day's sweep covers its hours, and its hours' receipts don't make them swept", () => {
    const swept = history(receipt("02T00", 24, DAY_MS));
    assert.deepEqual([stateAt("02T00", swept), stateAt("02T23", swept)], ["swept", "swept"]);
    assert.equal(stateAt("02T05", history(receipt("02T05"))), "loaded");
  });

  test("an audit vouches for what was read before it, and shows what is lacking", () => {
    const of = (
      text: string,
      given: Partial<Omit<typeof audit, "lackingIn">> & { lackingIn?: readonly Interval[] } = {},
    ) => stateAt(text, { history: { receipts: [receipt(text)], audit: { ...audit, ...given } } });
    assert.equal(of("04T09"), "audited");
    assert.equal(of("05T05"), "loaded", "after the audit");
    assert.equal(of("04T09", { lackingIn: [hour("04T09")] }), "missing");
    assert.equal(of("04T09", { from: at("2026-10-04T12:00:00Z") }), "loaded", "the audit didn't go back so far");
  });

  test("failures and runs come before what is loaded, and a forced load is marked", () => {
    const interval = hour("05T09");
    const loaded = history(receipt("05T09"));
    assert.equal(stateAt("05T09", { ...loaded, failed: [{ interval }] }), "failed");
    assert.equal(stateAt("05T09", { ...loaded, runs: [{ interval }] }), "running");
    assert.equal(stateAt("05T09", { failed: [{ interval }], runs: [{ interval }] }), "failed");
    const forced = backfill({ force: true, range: interval, createdAt: at("2026-10-05T10:01:00Z") });
    assert.equal(stateAt("05T09", { ...loaded, backfills: [forced] }), "loaded forced");
    const later = { ...forced, createdAt: at("2026-10-05T11:00:00Z") };
    assert.equal(stateAt("05T09", { ...loaded, backfills: [later] }), "loaded", "it has not come to this hour yet");
    assert.equal(stateAt("05T09", { ...loaded, backfills: [{ ...forced, force: false }] }), "loaded");
  });
});

suite("the page of an export", () => {
  test("an export's page shows its coverage, charts, runs, receipts and rules", async () => {
    using client = await openApp({ state: exampleState() });
    const { status, text } = await client.ask("GET", "/exports/replays");
    assert.equal(status, 200);
    assert.equal(text.match(/<td class="c-(?!none)/g)?.length, 25 * 24 - 12, "each hour from the start to now");
    assert.match(text, /title="2026-10-04 15:00: missing"/);
    assert.match(text, /title="2026-09-28 15:00: audited, in a batch of [\d,]+ rows"/);
    assert.match(text, /title="2026-09-13 15:00: swept, forced, in a batch/);
    assert.match(text, /data-chart="\{&quot;x&quot;:\[\d+/);
    const page = words(text);
    for (const part of [
      "replays up to date",
      "Rows per hour",
      "From an interval's end to its load",
      "Runs Interval State Took",
      "Receipts and files",
      "replays/dt=2026-10-05/*.parquet",
      "Rules in force Model session_replays",
      "k3v9x0qa",
    ]) {
      assert.ok(page.includes(part), `${part} is not in: ${page}`);
    }
    const [, link = ""] = /href="(https:\/\/eu\.posthog\.com[^"]+)"/.exec(text) ?? [];
    const filters = new URL(link.replaceAll("&amp;", "&")).searchParams.get("filters") ?? "";
    assert.deepEqual(Object.keys(JSON.parse(filters) as object), ["date_from", "date_to"]);
    assert.doesNotMatch(text, /\/pause"/, "a token in a header is a program's: it gets no buttons");
  });

  test("an export's page shows other days, and an older one has no later than today", async () => {
    using client = await openApp({ state: exampleState() });
    const now = await client.ask("GET", "/exports/replays");
    assert.doesNotMatch(now.text, /Later/);
    const before = await client.ask("GET", "/exports/replays?until=2026-09-12");
    assert.match(before.text, /2026-<\/span>09-12/);
    assert.doesNotMatch(before.text, /Earlier/, "before the export's start there is nothing");
    assert.match(before.text, /Later/);
    const long = await client.ask("GET", "/exports/replays?until=2001-01-01");
    assert.match(long.text, /2026-<\/span>09-11/, "the first day there is");
    assert.doesNotMatch(now.text, /2026-<\/span>09-10/);
    for (const nonsense of ["2026-99-99", "x", "2999-01-01"]) {
      const { text } = await client.ask("GET", `/exports/replays?until=${nonsense}`);
      assert.match(text, /2026-<\/span>10-05/, nonsense);
    }
  });

  test("while the destination doesn't answer, the rest of the page is there and says so", async () => {
    using client = await openApp({ state: exampleState() });
    client.fleet.history = async () => {
      throw new ReplayportError("the bucket is away, says hunter2", { code: "store.unreachable", remedy: "retry" });
    };
    const { status, text } = await client.ask("GET", "/exports/replays");
    assert.equal(status, 200);
    assert.match(words(text), /The destination's load history: the bucket is away, says \[redacted\]/);
    assert.match(words(text), /The destination hasn't answered yet\..*Rules in force/);
  });

  test("the destination is asked once a minute, however many people look", async () => {
    using client = await openApp({ state: exampleState() });
    let asked = 0;
    const history = client.fleet.history.bind(client.fleet);
    client.fleet.history = async (...given) => {
      asked += 1;
      return await history(...given);
    };
    await Promise.all([1, 2, 3].map(async () => await client.ask("GET", "/exports/replays")));
    await client.ask("GET", "/exports/replays");
    assert.equal(asked, 1);
    await client.ask("GET", "/exports/replays?until=2026-09-20");
    assert.equal(asked, 2, "other days are another question");
  });

  test("what isn't there is a page that says so", async () => {
    using client = await openApp();
    for (const path of ["/exports/nobody", "/run?id=replays/none", "/run", "/backfills/nothing0"]) {
      const { status, text, headers } = await client.ask("GET", path);
      assert.equal(status, 404, path);
      assert.match(headers.get("content-type") ?? "", /text\/html/);
      assert.match(words(text), /That didn't work/);
    }
    assert.match((await client.ask("GET", "/api/exports/nobody")).headers.get("content-type") ?? "", /json/);
  });
});

suite("the pages of runs and backfills", () => {
  test("a run's page shows its stages, attempts and error, and the runs before it", async () => {
    const id = "replays/a";
    const runs = [
      run({ id, finishedAt: at("2026-10-05T11:06:12Z") }),
      run({ id, state: "failed", attempt: 5, error: ERROR, times: undefined, finishedAt: at("2026-10-05T11:05:30Z") }),
      run({ id: "replays/b", rows: 777 }),
    ];
    using client = await openApp({ state: { runs } });
    const { text } = await client.ask("GET", `/run?id=${encodeURIComponent(id)}`);
    const page = words(text);
    for (const part of [
      "counting: 4 s",
      "reading the source: 41 s",
      "loading: 26 s",
      "48,211 rows, 1 file",
      "waited 1 s",
      "took 71 s",
      "Earlier runs of the same interval",
      "failed, 5 attempts",
      "Look whether it runs: replayport check.",
      "source.unreachable",
    ]) {
      assert.ok(page.includes(part), `${part} is not in: ${page}`);
    }
    assert.doesNotMatch(page, /777/);
    assert.match(text, /href="https:\/\/eu\.posthog\.com\/project\/2\/replay\/home\?filters=/);
  });

  test("an audit's run says that it has audited, and can't be loaded again", async () => {
    const audit = run({ id: "replays/x/audit", rows: 0, bytes: 0, files: 0, times: undefined });
    using client = await openApp({ state: { runs: [audit] } });
    const page = words((await client.ask("GET", "/exports/replays")).text);
    assert.match(page, /2026-10-05 10:00 – 11:00 audit audited/);
    assert.match(words((await client.ask("GET", "/run?id=replays/x/audit")).text), /State audited, 1 attempt/);
  });

  test("a backfill's page shows its plan, progress and failures", async () => {
    const failures = [{ interval: hour("01T03"), error: ERROR }];
    const one = backfill({ failed: 1, done: 17, force: true, failures });
    using client = await openApp({ state: { backfills: [one], runs: [run({ backfill: one.id })] } });
    const page = words((await client.ask("GET", `/backfills/${one.id}`)).text);
    for (const part of [
      "17 of 30 intervals, 1 failed, 7 min left",
      "30 intervals, forced: loads again what is loaded, 10 remaining, 2 in the queue or running",
      "2026-10-01 03:00 – 04:00",
      "ClickHouse at clickhouse:8123 does not answer",
      "by api",
    ]) {
      assert.ok(page.includes(part), `${part} is not in: ${page}`);
    }
    assert.match(words((await client.ask("GET", "/backfills")).text), /replays k3v9x0qa, forced running/);
  });
});

test("hostile texts stay texts on every page", async () => {
  const evil = `"><img src=x onerror=alert(1)></script><script>alert(2)</script>'\u202E`;
  const error = { ...ERROR, code: evil, message: evil, hint: evil };
  const failedIntervals = [{ interval: hour("05T03"), error, retryAt: undefined }];
  const one = exportStatus(evil, {
    destination: evil,
    schedule: evil,
    timezone: evil,
    failuresInRow: 1,
    failedIntervals,
  });
  const state = exampleState(1);
  const failed = run({ id: `${evil}/x`, export: evil, state: "failed", worker: evil, backfill: evil, error });
  using client = await openApp({
    state: {
      ...state,
      exports: [one, exportStatus("paused", { paused: { reason: evil, by: evil, since: NOW, probeAt: undefined } })],
      runs: [failed],
      backfills: [
        backfill({
          id: evil,
          export: evil,
          createdBy: evil,
          failed: 1,
          failures: [{ interval: hour("05T03"), error }],
        }),
      ],
      history: {
        receipts: [{ ...receipt("05T09"), attempt: evil, folders: [{ path: evil, extension: evil, columns: [] }] }],
        audit: undefined,
      },
      rules: {
        ...(state.rules ?? assert.fail()),
        projects: [{ team: 2, url: "https://eu.posthog.com/project/2" }],
        rules: [{ name: evil, value: evil }],
      },
    },
  });
  const login = await client.ask("POST", "/login", {
    token: null,
    body: new URLSearchParams({ token: "t0ken-of-the-tests-0123456789" }).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  const cookie = (login.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  const name = encodeURIComponent(evil);
  for (const path of [
    "/",
    `/?q=${name}`,
    `/exports/${name}`,
    `/exports/${name}/pause`,
    `/exports/${name}/backfill?from=${name}&to=${name}&by=${name}&size=${name}`,
    `/exports/${name}/nothing`,
    `/exports/x${name}`,
    "/exports/paused/resume",
    `/run?id=${encodeURIComponent(`${evil}/x`)}`,
    "/backfills",
    `/backfills/${name}`,
    `/backfills/${name}/cancel`,
  ]) {
    const { text, headers } = await client.ask("GET", path, { token: null, headers: { cookie } });
    if (!(headers.get("content-type") ?? "").startsWith("text/html")) continue;
    assert.ok(!/<img/i.test(text), path);
    assert.ok(!text.includes("\u202E"), path);
    const scripts = text.match(/<script/gi)?.length ?? 0;
    assert.ok(scripts <= 2, `${path} has ${scripts} scripts`);
    assert.ok(!/alert\(2\)<\/script/.test(text), path);
    assert.ok(!/<[^>]*\son\w+=/.test(text.replaceAll(/<script>.*?<\/script>|="[^"]*"/gs, "")), path);
  }
});
