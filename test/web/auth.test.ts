/** Who may do what, for every route there is. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sameSecret } from "../../src/web/auth.ts";
import { openApp, TOKEN } from "./app_client.ts";
import { NOW } from "../support/fake_fleet.ts";

const READS = ["/", "/metrics", "/api/exports", "/api/runs", "/api/queue", "/api/backfills", "/api/openapi.json"];
const CHANGES = [
  "/api/backfills",
  "/api/backfills/k3v9x0qa/cancel",
  "/api/backfills/k3v9x0qa/retry",
  "/api/exports/replays/pause",
  "/api/exports/replays/resume",
  "/api/exports/replays/retry",
];
const WRONG: Readonly<Record<string, string | undefined>> = {
  "no header": undefined,
  "another token": `Bearer ${TOKEN.slice(0, -1)}x`,
  "a longer token": `Bearer ${TOKEN}x`,
  "a shorter token": `Bearer ${TOKEN.slice(0, -1)}`,
  "an empty token": "Bearer ",
  "another scheme": `Basic ${TOKEN}`,
  "no scheme": TOKEN,
};

suite("with a token", () => {
  for (const [name, authorization] of Object.entries(WRONG)) {
    test(`${name}: nothing is read and nothing changed`, async () => {
      using client = await openApp();
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const [method, path] of [...READS.map((one) => ["GET", one]), ...CHANGES.map((one) => ["POST", one])]) {
        const answer = await client.ask(method ?? "", path ?? "", { token: null, headers });
        assert.equal(answer.status, 401, path);
        assert.ok(!answer.text.includes(TOKEN));
        if (path !== "/") assert.equal(answer.headers.get("www-authenticate"), 'Bearer realm="replayport"');
      }
      assert.deepEqual(client.fleet.calls, []);
      assert.equal(client.fleet.state.exports[0]?.paused, undefined);
    });
  }

  test("with the token everything can be read", async () => {
    using client = await openApp();
    for (const path of READS) assert.equal((await client.ask("GET", path)).status, 200, path);
  });

  test("the case of the word Bearer doesn't matter (RFC 7235)", async () => {
    using client = await openApp();
    const headers = { authorization: `bearer  ${TOKEN}` };
    assert.equal((await client.ask("GET", "/api/queue", { token: null, headers })).status, 200);
  });

  test("methods other than GET and HEAD count as changes on every path", async () => {
    using client = await openApp({ publicReads: true });
    for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS", "POST", "PROPFIND"]) {
      assert.equal((await client.ask(method, "/api/exports", { token: null })).status, 401, method);
    }
    assert.equal((await client.ask("HEAD", "/api/exports", { token: null })).status, 200);
  });

  test("liveness needs no token and reveals nothing", async () => {
    using client = await openApp();
    client.fleet.state.health = { ...client.fleet.state.health, redis: false, problem: "redis at 10.0.0.7 refused" };
    assert.deepEqual((await client.ask("GET", "/healthz", { token: null })).json, { status: "ok" });
    const ready = await client.ask("GET", "/readyz", { token: null });
    assert.equal(ready.status, 503);
    assert.deepEqual(ready.json, { status: "redis is down" });
  });

  test("other sites can't read the API, since there is no CORS", async () => {
    using client = await openApp();
    const answer = await client.ask("GET", "/api/exports", { headers: { origin: "https://evil.example" } });
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
    assert.equal(answer.headers.get("cache-control"), "no-store");
  });
});

suite("public reads", () => {
  test("public reads need no token, changes do", async () => {
    using client = await openApp({ publicReads: true });
    for (const path of READS) assert.equal((await client.ask("GET", path, { token: null })).status, 200, path);
    for (const path of CHANGES) assert.equal((await client.ask("POST", path, { token: null })).status, 401, path);
    assert.equal((await client.ask("POST", "/api/exports/replays/resume")).status, 200);
  });

  test("without a configured token nobody can change anything", async () => {
    using client = await openApp({ publicReads: true, token: undefined });
    assert.equal((await client.ask("GET", "/api/exports", { token: null })).status, 200);
    for (const token of [null, "undefined", TOKEN]) {
      const answer = await client.ask("POST", "/api/exports/replays/resume", { token });
      assert.equal(answer.status, 403);
      assert.match(answer.text, /http\.token/);
    }
  });
});

test("without a token and public reads, only health answers", async () => {
  using client = await openApp({ token: undefined });
  assert.equal((await client.ask("GET", "/api/exports", { token: null })).status, 403);
  assert.equal((await client.ask("GET", "/", { token: null })).status, 403);
  assert.equal((await client.ask("GET", "/healthz", { token: null })).status, 200);
});

suite("the dashboard's session", () => {
  const form = (token: string) => ({
    token: null,
    body: new URLSearchParams({ token }).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });

  test("the dashboard exchanges the token for a cookie that no script can read and that isn't the token", async () => {
    using client = await openApp();
    const answer = await client.ask("POST", "/login", form(` ${TOKEN} `));
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), "./");
    const cookie = answer.headers.get("set-cookie") ?? "";
    for (const part of [
      /^replayport_session=\d+\.[\w-]{43};/,
      /HttpOnly/,
      /SameSite=Lax/,
      /Max-Age=43200/,
      /Path=\//,
    ]) {
      assert.match(cookie, part);
    }
    assert.doesNotMatch(cookie, /Secure/);
    assert.ok(!cookie.includes(TOKEN));
    const options = form(TOKEN);
    const secure = await client.ask("POST", "/login", {
      ...options,
      headers: { ...options.headers, "x-forwarded-proto": "https" },
    });
    assert.match(secure.headers.get("set-cookie") ?? "", /Secure/);
  });

  const login = async (client: Awaited<ReturnType<typeof openApp>>): Promise<string> =>
    ((await client.ask("POST", "/login", form(TOKEN))).headers.get("set-cookie") ?? "").split(";")[0] ?? "";

  test("the dashboard's cookie allows reads and no changes", async () => {
    using client = await openApp();
    const headers = { cookie: await login(client) };
    for (const path of READS) assert.equal((await client.ask("GET", path, { token: null, headers })).status, 200, path);
    for (const path of CHANGES)
      assert.equal((await client.ask("POST", path, { token: null, headers })).status, 401, path);
    assert.match((await client.ask("GET", "/", { token: null, headers })).text, /Log out/);
  });

  test("the dashboard's cookie ends after 12 hours, with a new token, and if it is tampered with", async () => {
    let now = NOW;
    using client = await openApp({ now: () => now });
    const cookie = await login(client);
    const status = async (of: string, by = client): Promise<number> =>
      (await by.ask("GET", "/api/queue", { token: null, headers: { cookie: of } })).status;
    assert.equal(await status(cookie), 200);
    const [name = "", mark = ""] = cookie.split(".");
    const longer = `${name.slice(0, -10)}${Number(name.slice(-10)) + 3600}.${mark}`;
    assert.equal(await status(longer), 401);
    assert.equal(await status("replayport_session=1.2"), 401);
    using other = await openApp({ token: `${TOKEN}-new`, now: () => now });
    assert.equal(await status(cookie, other), 401);
    using second = await openApp({ now: () => now });
    assert.equal(await status(cookie, second), 200, "another process with the same token takes it");
    now = new Date(NOW.getTime() + 12 * 3_600_000);
    assert.equal(await status(cookie), 401);
  });

  test("a wrong token shows the login form again, without what was typed", async () => {
    using client = await openApp();
    const answer = await client.ask("POST", "/login", form("not-the-token-hunter3"));
    assert.equal(answer.status, 401);
    assert.match(answer.text, /The token is wrong/);
    assert.doesNotMatch(answer.text, /hunter3/);
    assert.equal(answer.headers.get("set-cookie"), null);
  });

  test("a malformed login form counts as a wrong token", async () => {
    using client = await openApp();
    for (const type of ["multipart/form-data; boundary=x", "multipart/form-data", "application/json", "text/plain"]) {
      const headers = { "content-type": type };
      const answer = await client.ask("POST", "/login", { token: null, body: "--x\r\njunk", headers });
      assert.equal(answer.status, 401, type);
    }
    assert.deepEqual(client.unexpected, []);
  });

  test("the cookie is Secure where the browser speaks HTTPS, whatever proxies are between", async () => {
    using client = await openApp();
    const isSecure = async (headers: Record<string, string>): Promise<boolean> => {
      const { headers: own, ...options } = form(TOKEN);
      const answer = await client.ask("POST", "/login", { ...options, headers: { ...own, ...headers } });
      assert.equal(answer.status, 303);
      return /; Secure/.test(answer.headers.get("set-cookie") ?? "");
    };
    for (const proto of ["https", "HTTPS", "https, http", "https,https", " https , http"]) {
      assert.equal(await isSecure({ "x-forwarded-proto": proto }), true, proto);
    }
    for (const proto of ["http", "http, https", ""]) {
      assert.equal(await isSecure({ "x-forwarded-proto": proto }), false, proto);
    }
    // The second proxy has replaced the first one's header.
    assert.equal(await isSecure({ "x-forwarded-proto": "http", origin: "https://replayport.example" }), true);
  });

  test("logging out ends the session in every process, and no other session", async () => {
    using client = await openApp();
    const [one, other] = [await login(client), await login(client)];
    assert.notEqual(one, other, "two sessions of one second differ");
    using second = await openApp({ state: client.fleet.state });
    const status = async (cookie: string, by = client): Promise<number> =>
      (await by.ask("GET", "/api/queue", { token: null, headers: { cookie } })).status;
    assert.deepEqual([await status(one), await status(one, second), await status(other)], [200, 200, 200]);
    await client.ask("POST", "/logout", { token: null, headers: { cookie: one } });
    assert.deepEqual([await status(one), await status(one, second), await status(other)], [401, 401, 200]);
  });

  test("wrong tokens are answered late, counted, and reported once a minute", async () => {
    let now = NOW;
    using client = await openApp({ now: () => now });
    const wrong = { token: null, headers: { authorization: "Bearer not-the-token-0123456789" } };
    for (let time = 0; time < 5; time += 1) {
      assert.equal((await client.ask("POST", "/login", form("guess"))).status, 401);
      assert.equal((await client.ask("GET", "/api/queue", wrong)).status, 401);
    }
    assert.equal(client.waits.length, 10);
    assert.ok(client.waits.every((ms) => ms >= 500));
    assert.deepEqual(client.wrongTokens, [{ at: "login", from: undefined, times: 1 }]);
    now = new Date(NOW.getTime() + 60_000);
    await client.ask("GET", "/api/queue", wrong);
    assert.deepEqual(client.wrongTokens.at(-1), { at: "api", from: undefined, times: 10 });
    const { text } = await client.ask("GET", "/metrics");
    assert.match(text, /replayport_http_wrong_tokens_total\{at="login"\} 5\n/);
    assert.match(text, /replayport_http_wrong_tokens_total\{at="api"\} 6\n/);
    // Right ones, and requests without any, don't wait.
    await client.ask("GET", "/api/queue");
    await client.ask("GET", "/api/queue", { token: null });
    await client.ask("POST", "/login", form(TOKEN));
    assert.equal(client.waits.length, 11);
  });

  test("without a configured token nobody can log in", async () => {
    using client = await openApp({ token: undefined });
    for (const token of ["", "undefined", TOKEN]) {
      assert.equal((await client.ask("POST", "/login", form(token))).status, 401);
    }
    const forged = "replayport_session=9999999999.".padEnd(30 + 43, "A");
    assert.equal((await client.ask("GET", "/api/queue", { token: null, headers: { cookie: forged } })).status, 403);
  });

  test("the dashboard asks for the token, and logging out removes the cookie", async () => {
    using client = await openApp();
    const asked = await client.ask("GET", "/", { token: null });
    assert.equal(asked.status, 401);
    assert.match(asked.text, /<input[^>]*type="password"/);
    const cookie = await login(client);
    const out = await client.ask("POST", "/logout", { token: null, headers: { cookie } });
    assert.match(out.headers.get("set-cookie") ?? "", /replayport_session=;.*Max-Age=0/);
    // A browser sends no SameSite cookie with another site's form, so that form ends no session.
    assert.equal((await client.ask("POST", "/logout", { token: null })).headers.get("set-cookie"), null);
  });
});

test("secrets of different lengths are compared in full", () => {
  assert.ok(sameSecret("abc", "abc"));
  for (const other of ["", "ab", "abcd", "abd", "ABC"]) assert.ok(!sameSecret("abc", other));
  assert.ok(sameSecret("", ""));
});
