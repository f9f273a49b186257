/** What the buttons of the pages do, that each asks once, and that no other site can press them. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { backfill, ERROR, exportStatus, hours, NOW, PAUSE } from "../support/fake_fleet.ts";
import { type Answer, type AppClient, type AppOptions, openApp, TOKEN } from "./app_client.ts";

const FORM = { "content-type": "application/x-www-form-urlencoded" };

interface Session extends Disposable {
  readonly client: AppClient;
  readonly cookie: string;
  /** Asks the page for its form, fills it in, and sends it. */
  press(
    path: string,
    fields?: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  get(path: string, cookies?: string): Promise<Answer>;
  post(path: string, body: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

const RANGE = "from=2026-09-01T00:00&to=2026-10-01T00:00";
const failedIntervals = [{ interval: hours(3), error: ERROR, retryAt: undefined }];
const STATE = {
  exports: [exportStatus("replays", { failuresInRow: 1, failedIntervals }), exportStatus("paused", { paused: PAUSE })],
  backfills: [
    backfill({ range: hours(1, 3) }),
    backfill({ id: "failed01", state: "failed", range: hours(4, 5), failed: 1, done: 29, open: 0, running: 0 }),
  ],
};
/** Each button, and what it asks of the fleet. */
const BUTTONS: readonly (readonly [path: string, fields: Readonly<Record<string, string>>, to: string])[] = [
  ["/exports/replays/pause", { reason: "moving", by: "jane" }, "../replays"],
  ["/exports/paused/resume", {}, "../paused"],
  ["/exports/replays/retry", {}, "../replays"],
  [`/exports/replays/backfill?${RANGE}`, {}, "../../backfills/new00001"],
  ["/backfills/k3v9x0qa/cancel", {}, "../k3v9x0qa"],
  ["/backfills/failed01/retry", {}, "../failed01"],
];

async function login(options: AppOptions = {}): Promise<Session> {
  const client = await openApp({ state: structuredClone(STATE), ...options });
  const body = new URLSearchParams({ token: TOKEN }).toString();
  const { headers } = await client.ask("POST", "/login", { token: null, body, headers: FORM });
  const cookie = (headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  const post: Session["post"] = async (path, text, more = {}) =>
    await client.ask("POST", path, { token: null, body: text, headers: { cookie, ...FORM, ...more } });
  const get: Session["get"] = async (path, cookies = cookie) =>
    await client.ask("GET", path, { token: null, headers: { cookie: cookies } });
  return {
    client,
    cookie,
    get,
    post,
    press: async (path, fields = {}, more = {}) => {
      const page = await get(path);
      assert.equal(page.status, 200, page.text);
      // A reload's page has a form for the plan too, which is read.
      const [, form = ""] = /<form[^>]*method="post" action="(?!\.\.)[^"]*">(.*?)<\/form>/s.exec(page.text) ?? [];
      const hidden = [...form.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
        ([, key = "", value = ""]) => [key, value],
      );
      const all = { ...Object.fromEntries(hidden), ...fields } as Record<string, string>;
      return await post(path.replace(/\?.*/, ""), new URLSearchParams(all).toString(), more);
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

/** Everything that a form could have changed. */
const changes = ({ fleet }: AppClient): unknown => [
  fleet.calls.filter((call) => !/^(?:runs|plan)/.test(call)),
  fleet.state.exports.map(({ paused }) => paused),
  fleet.state.backfills.map(({ id, state }) => [id, state]),
];

suite("buttons", () => {
  for (const [path, fields, to] of BUTTONS) {
    test(`${path.replace(/\?.*/, "")} asks, acts, and says what it did`, async () => {
      using session = await login();
      const before = changes(session.client);
      await session.get(path);
      assert.deepEqual(changes(session.client), before, "the question changes nothing");
      const answer = await session.press(path, fields);
      assert.equal(answer.status, 303, answer.text);
      assert.equal(answer.headers.get("location"), to);
      assert.notDeepEqual([...session.client.fleet.calls, changes(session.client)], ["", before]);
      const cookies = answer.headers.getSetCookie().map((one) => one.split(";")[0]);
      const notice = cookies.find((one) => one?.startsWith("replayport_notice=")) ?? "";
      assert.match(answer.headers.get("set-cookie") ?? "", /HttpOnly.*SameSite=Strict/);
      const next = new URL(to, `http://x${path}`).pathname;
      const shown = await session.get(next, `${session.cookie}; ${notice}`);
      assert.match(shown.text, /<p class="note good" role="status">[^<]{10,}/);
      assert.match(shown.headers.get("set-cookie") ?? "", /replayport_notice=;/, "once");
    });
  }

  test("a pause keeps its reason and who gave it", async () => {
    using session = await login();
    await session.press("/exports/replays/pause", { reason: "moving", by: "jane" });
    assert.ok(session.client.fleet.calls.includes("pause replays moving jane"));
    await session.press("/exports/replays/pause", { reason: "again" });
    assert.ok(session.client.fleet.calls.includes("pause replays again dashboard"));
    const empty = await session.press("/exports/replays/pause", { reason: " " });
    assert.equal(empty.status, 400);
    assert.match(empty.text, /Write a reason/);
  });

  test("a backfill shows its plan before it starts, and starts what it showed", async () => {
    using session = await login();
    const path = `/exports/replays/backfill?${RANGE}&size=day&force=on&by=jane`;
    const page = await session.get(path);
    assert.match(page.text.replaceAll(/\s+/g, " "), /1 batch of replays.*48,211 changed sessions/);
    assert.deepEqual(session.client.fleet.state.backfills.length, 2);
    await session.press(path);
    const call = session.client.fleet.calls.find((one) => one.startsWith("backfill")) ?? "";
    const asked = JSON.parse(call.slice("backfill ".length)) as object;
    assert.deepEqual(asked, {
      export: "replays",
      range: { start: "2026-09-01T00:00:00.000Z", end: "2026-10-01T00:00:00.000Z" },
      size: "day",
      force: true,
      sourceIsRight: false,
      createdBy: "jane",
    });
  });

  test("a backfill that can't be says why, in the form", async () => {
    using session = await login();
    const wrong = {
      "from=2026-10-01T00:00&to=2026-09-01T00:00": /The end must be after the start/,
      "from=yesterday&to=2026-09-01T00:00": /Write both times as/,
      "from=2026-10-01T00:00": /Write both times as/,
    };
    for (const [query, reason] of Object.entries(wrong)) {
      const page = await session.get(`/exports/replays/backfill?${query}`);
      assert.equal(page.status, 400, query);
      assert.match(/role="alert">([^<]*)/.exec(page.text)?.[1] ?? "", reason, query);
      assert.ok(!page.text.includes("Start the backfill"));
    }
    const overlap = await session.press("/exports/replays/backfill?from=2026-10-05T01:00&to=2026-10-05T02:00");
    assert.equal(overlap.status, 400);
    assert.match(overlap.text, /overlaps that of backfill k3v9x0qa/);
  });

  test("what went wrong is shown, redacted, and nothing is called done", async () => {
    using session = await login();
    const form = await session.get("/backfills/k3v9x0qa/cancel");
    const [, token = ""] = /name="form" value="([^"]+)"/.exec(form.text) ?? [];
    session.client.fleet.fail(new Error("boom hunter2"));
    const answer = await session.post("/backfills/k3v9x0qa/cancel", `form=${token}`);
    assert.equal(answer.status, 500);
    assert.doesNotMatch(answer.text, /hunter2/);
    assert.equal(answer.headers.get("set-cookie"), null);
  });

  test("pages without a session have no buttons", async () => {
    using session = await login({ publicReads: true });
    for (const path of ["/exports/replays", "/backfills/k3v9x0qa"]) {
      assert.match((await session.get(path)).text, /class="button"/);
      const anonymous = await session.client.ask("GET", path, { token: null });
      assert.equal(anonymous.status, 200);
      assert.doesNotMatch(anonymous.text, /class="button"|name="form" value="[^"]/);
    }
  });
});

suite("forms of other sites", () => {
  const attempts: readonly (readonly [
    name: string,
    body: (token: string, other: string) => string,
    headers: object,
  ])[] = [
    ["no form token", () => "reason=x", {}],
    ["an empty form token", () => "reason=x&form=", {}],
    ["the token of another session", (_, other) => `reason=x&form=${other}`, {}],
    ["a changed token", (token) => `reason=x&form=${token.slice(0, -1)}`, {}],
    ["a form of another site", (token) => `reason=x&form=${token}`, { "sec-fetch-site": "cross-site" }],
    ["a form of a sister domain", (token) => `reason=x&form=${token}`, { "sec-fetch-site": "same-site" }],
    ["JSON, as fetch sends it", () => '{"reason":"x"}', { "content-type": "text/plain" }],
  ];
  const tokenOf = async (session: Session): Promise<string> =>
    /name="form" value="([^"]+)"/.exec((await session.get("/exports/replays/pause")).text)?.[1] ?? assert.fail();

  for (const [name, body, headers] of attempts) {
    test(`${name}: nothing is changed by any form`, async () => {
      using session = await login();
      using other = await login();
      const before = changes(session.client);
      const [mine, others] = [await tokenOf(session), await tokenOf(other)];
      assert.notEqual(mine, others);
      for (const [path] of BUTTONS) {
        const answer = await session.post(
          path.replace(/\?.*/, ""),
          body(mine, others),
          headers as Record<string, string>,
        );
        assert.equal(answer.status, 403, path);
        assert.match(answer.text, /http\.foreign_form/);
      }
      assert.deepEqual(changes(session.client), before);
    });
  }

  test("a form without a session, or of one that ended, shows the login and changes nothing", async () => {
    for (const publicReads of [false, true]) {
      using session = await login({ publicReads });
      const before = changes(session.client);
      const body = `reason=x&form=${await tokenOf(session)}`;
      for (const [path] of BUTTONS) {
        const answer = await session.client.ask("POST", path.replace(/\?.*/, ""), { token: null, body, headers: FORM });
        assert.equal(answer.status, 401, path);
        assert.match(answer.text, /type="password"/);
      }
      await session.post("/logout", "");
      assert.equal((await session.post("/exports/replays/pause", body)).status, 401);
      assert.deepEqual(changes(session.client), before);
    }
  });

  test("the cookie still changes nothing through the API, with or without a form token", async () => {
    using session = await login();
    const before = changes(session.client);
    const token = await tokenOf(session);
    const body = JSON.stringify({ reason: "x", form: token });
    const answer = await session.post("/api/exports/replays/pause", body, { "content-type": "application/json" });
    assert.equal(answer.status, 401);
    assert.deepEqual(changes(session.client), before);
  });

  test("a token in a header changes nothing through forms: programs use the API", async () => {
    using session = await login();
    const body = "reason=x";
    const answer = await session.client.ask("POST", "/exports/replays/pause", { body, headers: FORM });
    assert.equal(answer.status, 403);
  });
});

test("after a login one is where one wanted to be, and nowhere else", async () => {
  using client = await openApp({ now: () => NOW });
  const asked = await client.ask("GET", "/exports/replays?until=2026-10-01", { token: null });
  assert.equal(asked.status, 401);
  assert.match(asked.text, /action=".\/..\/login"/);
  assert.match(asked.text, /name="to" value="exports\/replays\?until=2026-10-01"/);
  const to = async (target: string): Promise<string | null> => {
    const body = new URLSearchParams({ token: TOKEN, to: target }).toString();
    return (await client.ask("POST", "/login", { token: null, body, headers: FORM })).headers.get("location");
  };
  assert.equal(await to("exports/replays?until=2026-10-01"), "./exports/replays?until=2026-10-01");
  for (const evil of [
    "//evil.example",
    "https://evil.example",
    "/\\evil",
    "javascript:alert(1)",
    "exports/\\evil",
    "../x",
  ]) {
    assert.equal(await to(evil), "./", evil);
  }
});
