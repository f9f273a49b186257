/** Every route, with what it hands to the fleet; app_client.ts holds each answer to the OpenAPI document. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { type AppClient, type JsonObject, openApp } from "./app_client.ts";
import { at, backfill, ERROR, exportStatus, hours, PAUSE, run } from "../support/fake_fleet.ts";

interface ErrorAnswer {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
    readonly problems?: readonly { readonly at: string; readonly message: string }[];
    readonly backfill?: string;
  };
}

const errorOf = (answer: { readonly json: unknown }): ErrorAnswer["error"] => (answer.json as ErrorAnswer).error;
const RANGE = { start: "2026-10-01T00:00:00Z", end: "2026-10-02T02:00:00+02:00" };

suite("control characters", () => {
  const BAD = [
    "\u001b[31mred",
    "bell\u0007",
    "line\nbreak",
    "c1\u009b2J",
    "\u202edeerga",
    "sep\u2028arator",
    "\u007f",
    "a\u0000b",
    "half of \ud83e a fox",
  ];

  test("reasons and names with control characters are refused", async () => {
    using client = await openApp();
    for (const text of BAD) {
      for (const body of [{ reason: text }, { reason: "fine", by: text }]) {
        const answer = await client.ask("POST", "/api/exports/replays/pause", { body });
        assert.equal(answer.status, 400, JSON.stringify(body));
        assert.match(errorOf(answer).message, /control characters/);
      }
      assert.equal((await client.ask("POST", "/api/exports/replays/resume", { body: { by: text } })).status, 400);
      const asked = { export: "replays", ...RANGE, createdBy: text };
      assert.equal((await client.ask("POST", "/api/backfills", { body: asked })).status, 400);
    }
    assert.equal(client.fleet.calls.length, 0);
    const good = { reason: 'Wärmepumpe 🦊 – it\'s "done"', by: "Zoë" };
    assert.equal((await client.ask("POST", "/api/exports/replays/pause", { body: good })).status, 200);
  });

  test("what Redis has of them is removed from the API and the page", async () => {
    const error = { ...ERROR, message: "a\u001b[31mb\u009bc", hint: "d\u202ee" };
    using client = await openApp({
      state: {
        exports: [
          exportStatus("a", {
            paused: { ...PAUSE, reason: "x\u001b]0;title\u0007y" },
            failedIntervals: [{ interval: hours(3), error, retryAt: undefined }],
          }),
        ],
        runs: [],
      },
    });
    for (const path of ["/api/exports", "/"]) {
      const { text } = await client.ask("GET", path);
      // oxlint-disable-next-line no-control-regex -- none may be there, nor a JSON escape of one.
      assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]|\\u00[01]/, path);
    }
    assert.match((await client.ask("GET", "/api/exports")).text, /x\]0;titley/);
  });
});

suite("exports", () => {
  test("the API lists all exports, with times as text and null for what is unknown", async () => {
    using client = await openApp({
      state: {
        exports: [
          exportStatus("a", {
            paused: PAUSE,
            failedIntervals: [{ interval: hours(3), error: ERROR, retryAt: undefined }],
          }),
          exportStatus("b", { due: undefined, lagSeconds: undefined, loadedUntil: undefined, lastReceipt: undefined }),
        ],
      },
    });
    const answer = await client.ask("GET", "/api/exports");
    assert.equal(answer.status, 200);
    const { exports } = answer.json as { exports: JsonObject[] };
    assert.deepEqual(exports[0]?.["paused"], {
      reason: "10 intervals failed in a row",
      since: "2026-10-05T10:00:00.000Z",
      by: "replayport",
      probeAt: "2026-10-05T12:10:00.000Z",
    });
    assert.equal(exports[1]?.["loadedUntil"], null);
    assert.equal(exports[1]["due"], null);
  });

  test("the API returns one export, and 404 for an unknown one", async () => {
    using client = await openApp();
    assert.equal(((await client.ask("GET", "/api/exports/replays_eu")).json as JsonObject)["export"], "replays_eu");
    const missing = await client.ask("GET", "/api/exports/nope");
    assert.equal(missing.status, 404);
    assert.deepEqual(errorOf(missing), {
      code: "fleet.unknown_export",
      message: 'there is no export "nope"',
      hint: "See what there is.",
    });
  });

  test("the API pauses, resumes and retries an export", async () => {
    using client = await openApp();
    const body = { reason: "  the warehouse is moved ", by: "jane" };
    const paused = await client.ask("POST", "/api/exports/replays/pause", { body });
    assert.equal(paused.status, 200);
    assert.equal(((paused.json as JsonObject)["paused"] as JsonObject)["reason"], "the warehouse is moved");
    const resumed = await client.ask("POST", "/api/exports/replays/resume");
    assert.equal((resumed.json as JsonObject)["paused"], null);
    await client.ask("POST", "/api/exports/replays/resume", { body: { by: "joe" } });
    assert.deepEqual(client.fleet.calls, [
      "pause replays the warehouse is moved jane",
      "resume replays api",
      "resume replays joe",
    ]);
    assert.deepEqual((await client.ask("POST", "/api/exports/replays/retry")).json, { intervals: 0 });
  });

  test("a pause needs a reason", async () => {
    using client = await openApp();
    for (const body of [{}, { reason: " " }, { reason: "x".repeat(501) }, { reason: "x", by: "" }]) {
      assert.equal((await client.ask("POST", "/api/exports/replays/pause", { body })).status, 400);
    }
    assert.equal((await client.ask("POST", "/api/exports/replays/pause")).status, 400);
    assert.deepEqual(client.fleet.calls, []);
  });
});

suite("runs, queue and health", () => {
  test("the API lists runs by export, state and backfill", async () => {
    using client = await openApp({ state: { runs: [run(), run({ state: "failed", error: ERROR })] } });
    const all = await client.ask("GET", "/api/runs");
    assert.equal((all.json as { runs: unknown[] }).runs.length, 2);
    await client.ask("GET", "/api/runs?limit=7&export=replays&state=failed,retrying&backfill=k3v9x0qa");
    assert.deepEqual(client.fleet.calls, ["runs 50 - - -", "runs 7 replays failed+retrying k3v9x0qa"]);
  });

  for (const query of ["limit=0", "limit=501", "limit=x", "state=gone", "state=failed,gone", "stat=failed"]) {
    test(`refuses ?${query}`, async () => {
      using client = await openApp();
      const answer = await client.ask("GET", `/api/runs?${query}`);
      assert.equal(answer.status, 400);
      assert.equal(errorOf(answer).problems?.[0]?.at.split(".")[0], "query");
    });
  }

  test("the API returns the depth of the queue", async () => {
    using client = await openApp();
    const answer = await client.ask("GET", "/api/queue");
    assert.deepEqual(answer.json, { waiting: 3, backfill: 2, delayed: 1, active: 4 });
  });

  test("the API's health lists the processes", async () => {
    using client = await openApp();
    const { processes } = (await client.ask("GET", "/api/health")).json as { processes: unknown[] };
    assert.equal(processes.length, 3);
  });
});

suite("backfills", () => {
  test("starting a backfill answers 201 with its address and its defaults", async () => {
    using client = await openApp();
    const answer = await client.ask("POST", "/api/backfills", { body: { export: "replays", ...RANGE } });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("location"), "/api/backfills/new00001");
    assert.deepEqual(JSON.parse(client.fleet.calls[0]?.replace("backfill ", "") ?? ""), {
      export: "replays",
      force: false,
      sourceIsRight: false,
      size: "auto",
      createdBy: "api",
      range: { start: "2026-10-01T00:00:00.000Z", end: "2026-10-02T00:00:00.000Z" },
    });
    const listed = (await client.ask("GET", "/api/backfills")).json as { backfills: JsonObject[] };
    assert.equal(listed.backfills[0]?.["id"], "new00001");
    assert.equal((await client.ask("GET", "/api/backfills/new00001")).status, 200);
  });

  test("starting a backfill passes on every option", async () => {
    using client = await openApp();
    const options = { force: true, sourceIsRight: true, size: "day", inFlight: 8, createdBy: "jane" };
    await client.ask("POST", "/api/backfills", { body: { export: "replays", ...RANGE, ...options } });
    const asked = JSON.parse(client.fleet.calls[0]?.replace("backfill ", "") ?? "") as JsonObject;
    for (const [key, value] of Object.entries(options)) assert.equal(asked[key], value);
  });

  test("starting a backfill reports everything that is wrong with the request at once", async () => {
    using client = await openApp();
    const body = { export: 5, start: "yesterday", end: "2026-10-01", force: "yes", inFlight: 0, frm: 1 };
    const answer = await client.ask("POST", "/api/backfills", { body });
    assert.equal(answer.status, 400);
    const error = errorOf(answer);
    assert.equal(error.code, "http.invalid");
    assert.deepEqual(error.problems?.map((one) => one.at).sort(), [
      "body.end",
      "body.export",
      "body.force",
      "body.frm",
      "body.inFlight",
      "body.start",
    ]);
  });

  const wrong: Readonly<Record<string, unknown>> = {
    "an empty range": { export: "replays", start: RANGE.start, end: RANGE.start },
    "a range turned round": { export: "replays", start: RANGE.end, end: RANGE.start },
    "a fraction of a second": { export: "replays", start: "2026-10-01T00:00:00.5Z", end: RANGE.end },
    "a time without a zone": { export: "replays", start: "2026-10-01T00:00:00", end: RANGE.end },
    "no body": undefined,
    "no JSON": "{",
    "a list": [],
  };
  for (const [name, body] of Object.entries(wrong)) {
    test(`refuses ${name}`, async () => {
      using client = await openApp();
      const answer = await client.ask("POST", "/api/backfills", { body });
      assert.equal(answer.status, 400, answer.text);
      assert.deepEqual(client.fleet.calls, []);
    });
  }

  test("starting a backfill that overlaps another one is a conflict, which names the other", async () => {
    using client = await openApp({ state: { backfills: [backfill()] } });
    const body = { export: "replays", start: "2026-09-30T00:00:00Z", end: "2026-10-03T00:00:00Z" };
    const answer = await client.ask("POST", "/api/backfills", { body });
    assert.equal(answer.status, 409);
    assert.equal(errorOf(answer).code, "backfill.overlap");
    assert.equal(errorOf(answer).backfill, "k3v9x0qa");
  });

  test("the API cancels and retries a backfill", async () => {
    using client = await openApp({ state: { backfills: [backfill({ state: "failed" })] } });
    const retried = await client.ask("POST", "/api/backfills/k3v9x0qa/retry");
    assert.equal((retried.json as JsonObject)["state"], "running");
    const cancelled = await client.ask("POST", "/api/backfills/k3v9x0qa/cancel");
    assert.equal((cancelled.json as JsonObject)["state"], "cancelled");
    assert.equal((await client.ask("POST", "/api/backfills/k3v9x0qa/retry")).status, 409);
    for (const path of ["/api/backfills/none", "/api/backfills/none/cancel", "/api/backfills/none/retry"]) {
      const answer = await client.ask(path.endsWith("none") ? "GET" : "POST", path);
      assert.equal(answer.status, 404, path);
    }
  });
});

suite("what goes wrong", () => {
  const cases: readonly (readonly [string, "retry" | "give-up", number])[] = [
    ["redis.unreachable", "retry", 503],
    ["redis.wrong_password", "give-up", 503],
    ["source.unreachable", "retry", 503],
    ["source.denied", "give-up", 502],
    ["backfill.invalid", "give-up", 400],
  ];
  for (const [code, remedy, status] of cases) {
    test(`${code} (${remedy}) is ${status}, redacted`, async () => {
      using client = await openApp();
      client.fleet.fail(new ReplayportError("no: hunter2", { code, remedy, hint: "use hunter2" }));
      const answer = await client.ask("POST", "/api/backfills", { body: { export: "replays", ...RANGE } });
      assert.equal(answer.status, status);
      assert.deepEqual(errorOf(answer), { code, message: "no: [redacted]", hint: "use [redacted]" });
      assert.equal(answer.headers.get("retry-after"), status === 503 ? "5" : null);
    });
  }

  test("an unexpected error tells the client nothing and the log everything", async () => {
    using client = await openApp();
    const thrown = new TypeError("cannot read hunter2 of undefined");
    client.fleet.fail(thrown);
    const answer = await client.ask("GET", "/api/exports");
    assert.equal(answer.status, 500);
    assert.doesNotMatch(answer.text, /cannot read|hunter2/);
    assert.deepEqual(client.unexpected, [thrown]);
  });

  test("an unknown path answers 404 with a hint", async () => {
    using client = await openApp();
    for (const path of ["/api/nope", "/nope", "/api", "/api/exports/replays/pause/x"]) {
      const answer = await client.ask("GET", path);
      assert.equal(answer.status, 404);
      assert.equal(errorOf(answer).code, "http.unknown");
    }
    assert.equal((await client.ask("DELETE", "/nope")).status, 404);
  });

  test("a method that a path doesn't support answers 405", async () => {
    using client = await openApp();
    const asked: readonly (readonly [method: string, path: string, allowed: string])[] = [
      ["DELETE", "/api/exports/replays", "GET, HEAD"],
      ["GET", "/api/exports/replays/pause", "POST"],
      ["HEAD", "/api/backfills/k3v9x0qa/cancel", "POST"],
      ["PUT", "/api/backfills", "GET, HEAD, POST"],
      ["POST", "/metrics", "GET, HEAD"],
      ["OPTIONS", "/login", "GET, HEAD, POST"],
    ];
    for (const [method, path, allowed] of asked) {
      const answer = await client.ask(method, path);
      assert.equal(answer.status, 405, path);
      assert.equal(answer.headers.get("allow"), allowed);
      if (method !== "HEAD") assert.equal(errorOf(answer).code, "http.method");
    }
    assert.deepEqual(client.fleet.calls, []);
  });

  test("HEAD answers like GET, without a body", async () => {
    using client = await openApp();
    for (const path of ["/", "/metrics", "/healthz", "/api/exports", "/api/openapi.json"]) {
      const [head, get] = [await client.ask("HEAD", path), await client.ask("GET", path)];
      assert.equal(head.status, 200, path);
      assert.equal(head.headers.get("content-type"), get.headers.get("content-type"));
      assert.equal(head.text, "");
    }
  });

  test("paths in another spelling don't bypass the guard", async () => {
    using client = await openApp();
    const paths = [
      "//healthz",
      "/healthz/",
      "/healthz/..%2fmetrics",
      "/healthz%2f..%2fmetrics",
      "/HEALTHZ",
      "/%2e/metrics",
      "/metrics%00",
      "/login/../metrics",
      "/./metrics",
      "/api//exports",
      "/%61pi/exports",
      "/metrics?/healthz",
      "/metrics#/healthz",
    ];
    for (const path of paths) assert.equal((await client.ask("GET", path, { token: null })).status, 401, path);
    assert.equal((await client.ask("GET", "/api/exports/..%2f..%2fqueue")).status, 404, "a name, not a path");
  });

  test("a body that is too large is refused, with a Content-Length or without", async () => {
    using client = await openApp();
    const body = JSON.stringify({ export: "x".repeat(70_000) });
    const declared = await client.ask("POST", "/api/backfills", { body, headers: { "content-length": "70013" } });
    assert.equal(declared.status, 413);
    assert.equal((await client.ask("POST", "/api/backfills", { body })).status, 413);
    assert.equal(errorOf(declared).code, "http.too_large");
  });

  test("a body whose Content-Type isn't JSON is refused", async () => {
    using client = await openApp();
    const headers = { "content-type": "text/plain" };
    const answer = await client.ask("POST", "/api/exports/replays/pause", { body: "reason", headers });
    assert.equal(answer.status, 415);
    assert.deepEqual(client.fleet.calls, []);
  });

  test("a client that disconnects isn't logged as our error", async () => {
    using client = await openApp();
    client.fleet.fail(new DOMException("left", "AbortError"));
    assert.equal((await client.ask("GET", "/api/exports")).status, 503);
    assert.deepEqual(client.unexpected, []);
  });
});

test("a backfill's range is the one in the request", async () => {
  using client: AppClient = await openApp();
  await client.ask("POST", "/api/backfills", { body: { export: "replays", ...RANGE } });
  assert.equal(client.fleet.state.backfills[0]?.range.end.getTime(), at("2026-10-02T00:00:00Z").getTime());
});
