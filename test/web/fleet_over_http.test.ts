/** The HTTP side over a real fleet and a real Redis, over the wire: what fake_fleet.ts cannot prove. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import type { Destination } from "../../destinations/destination.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { FleetHandle } from "../../src/fleet/fleet.ts";
import { startWeb } from "../../src/web/start_web.ts";
import { ownRedis } from "../support/redis.ts";
import { down, wrong } from "../support/fleet_fakes.ts";
import { exportOf, never, openWorld, until, type World } from "../support/fleet_fixture.ts";
import { assertDescribed, type JsonObject, type OpenApiDocument, TOKEN } from "./app_client.ts";

/** Far in the future, so that nothing is live. */
const LATER = { start: new Date("2027-01-01T00:00:00Z") };
const TEN = { export: "replays", start: "2026-10-01T00:00:00Z", end: "2026-10-01T10:00:00Z" };

interface Site extends AsyncDisposable {
  /** Every JSON answer of the API is held to its document. */
  readonly ask: (method: string, path: string, body?: unknown) => Promise<{ status: number; json: JsonObject }>;
  readonly text: (path: string) => Promise<string>;
  readonly status: (path: string) => Promise<number>;
}

async function openSite(fleet: FleetHandle, { clock }: World): Promise<Site> {
  const unexpected: unknown[] = [];
  const web = await startWeb(
    fleet,
    { host: "127.0.0.1", port: 0, token: TOKEN, publicReads: false },
    {
      now: () => clock.now,
      stopping: never,
      redact: (text) => text,
      onUnexpected: (error) => void unexpected.push(error),
      onWrongTokens: () => undefined,
    },
  );
  const authorization = { authorization: `Bearer ${TOKEN}` };
  const document = (await (
    await fetch(`${web.url}/api/openapi.json`, { headers: authorization })
  ).json()) as OpenApiDocument;
  return {
    ask: async (method, path, body) => {
      const type = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await fetch(web.url + path, {
        method,
        headers: { ...authorization, ...type },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const json = (await answer.json()) as JsonObject;
      assertDescribed(document, method, path, answer.status, json);
      return { status: answer.status, json };
    },
    text: async (path) => await (await fetch(web.url + path, { headers: authorization })).text(),
    status: async (path) => (await fetch(web.url + path)).status,
    async [Symbol.asyncDispose]() {
      await web[Symbol.asyncDispose]();
      assert.deepEqual(unexpected, []);
    },
  };
}

/** A worker that stops with its scope, before the world ends, also where an assertion failed. */
async function working(fleet: FleetHandle, concurrency: number): Promise<AsyncDisposable> {
  const worker = await fleet.startWorker(concurrency);
  return { [Symbol.asyncDispose]: async () => await worker.stop(1_000) };
}

async function open(t: TestContext): Promise<(Site & { world: World; fleet: FleetHandle }) | undefined> {
  const world = await openWorld(t);
  if (!world) return undefined;
  const { fleet } = await world.open([exportOf("replays", LATER), exportOf("other", LATER)]);
  const site = await openSite(fleet, world);
  return {
    ...site,
    world,
    fleet,
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

suite("over HTTP", () => {
  test("a backfill over HTTP is started, refused if it overlaps, loaded, shown and counted", async (t) => {
    await using site = await open(t);
    if (!site) return;
    const { ask, fleet, world } = site;
    world.source.files = [3];
    const begun = await ask("POST", "/api/backfills", { ...TEN, size: "schedule", createdBy: "jane" });
    assert.equal(begun.status, 201);
    const id = String(begun.json["id"]);
    const second = await ask("POST", "/api/backfills", { ...TEN, start: "2026-10-01T09:00:00Z" });
    assert.equal(second.status, 409);
    assert.equal((second.json["error"] as JsonObject)["backfill"], id);
    assert.equal((await ask("GET", "/api/runs?state=queued")).status, 200);

    await using _worker = await working(fleet, 2);
    await until(
      "the end",
      async () => (await ask("GET", `/api/backfills/${id}`)).json["state"],
      (state) => state === "done",
    );
    const { runs } = (await ask("GET", `/api/runs?backfill=${id}&state=loaded`)).json as { runs: JsonObject[] };
    assert.equal(runs.length, 10);
    const page = await site.text("/");
    assert.match(page, /10 of 10 intervals/);
    assert.match(page, /requested .* by jane/s);
    assert.match(await site.text("/metrics"), /replayport_rows_total\{export="replays"\} 30\n/);
  });

  test("a backfill over HTTP is cancelled, and a failed one is retried", async (t) => {
    await using site = await open(t);
    if (!site) return;
    const { ask, fleet, world } = site;
    world.source.beforeCount = async () => {
      throw wrong();
    };
    const begun = await ask("POST", "/api/backfills", { ...TEN, end: "2026-10-01T02:00:00Z", size: "schedule" });
    const path = `/api/backfills/${String(begun.json["id"])}`;
    await using _worker = await working(fleet, 1);
    const state = async (wanted: string): Promise<void> => {
      await until(
        wanted,
        async () => (await ask("GET", path)).json["state"],
        (seen) => seen === wanted,
      );
    };
    await state("failed");
    assert.match(await site.text("/"), /the password \[redacted\] is wrong/);
    world.source.beforeCount = async () => undefined;
    assert.equal((await ask("POST", `${path}/retry`)).status, 200);
    await state("done");

    const other = await ask("POST", "/api/backfills", { ...TEN, export: "other", size: "schedule" });
    const otherPath = `/api/backfills/${String(other.json["id"])}`;
    assert.equal((await ask("POST", `${otherPath}/cancel`)).json["state"], "cancelled");
    assert.equal((await ask("POST", `${otherPath}/retry`)).status, 409);
  });

  test("an export paused over HTTP loads nothing until it is resumed", async (t) => {
    await using site = await open(t);
    if (!site) return;
    const { ask, fleet, world } = site;
    const paused = await ask("POST", "/api/exports/replays/pause", { reason: "the password is hunter2", by: "jane" });
    assert.equal((paused.json["paused"] as JsonObject)["reason"], "the password is [redacted]");
    await ask("POST", "/api/backfills", { ...TEN, size: "schedule" });
    await ask("POST", "/api/backfills", { ...TEN, export: "other", size: "schedule" });
    await using _worker = await working(fleet, 2);
    await world.loaded(10);
    assert.ok(
      world.ledger.loads.every((name) => name.startsWith("other/")),
      String(world.ledger.loads),
    );
    await ask("POST", "/api/exports/replays/resume");
    await world.loaded(20);
    assert.equal((await ask("POST", "/api/exports/replays/retry")).json["intervals"], 0);
  });

  test("a destination whose ledger can't be read is shown until it answers", async (t) => {
    await using world = await openWorld(t);
    if (!world) return;
    let isDown = true;
    const destination = ({ name }: { readonly name: string }): Destination => {
      const there = world.ledger.destination(name);
      return {
        ...there,
        covered: (...asked) => {
          if (isDown && name === "away") throw down();
          return there.covered(...asked);
        },
      };
    };
    const { fleet } = await world.open([exportOf("away"), exportOf("replays")], { destination });
    await using site = await openSite(fleet, world);
    await using _scheduler = await fleet.startScheduler(never);
    const error = async () => (await site.ask("GET", "/api/exports/away")).json["ledgerError"] as JsonObject | null;
    assert.equal((await until("the reason", error, Boolean))?.["message"], "the source is down, says [redacted]");
    assert.equal((await site.ask("GET", "/api/exports/replays")).json["ledgerError"], null);
    assert.match(await site.text("/metrics"), /replayport_ledger_unreadable\{export="away"\} 1\n/);
    isDown = false;
    await fleet.resume("away", "test", never);
    await until("that it is over", error, (seen) => seen === null);
  });

  test("a claim of one process is a claim for all, until it expires or is released", async (t) => {
    await using site = await open(t);
    if (!site) return;
    const { fleet, world } = site;
    const { fleet: other } = await world.open([exportOf("replays", LATER)]);
    assert.equal(await fleet.claim("alert/a", 60_000, never), true);
    assert.equal(await other.claim("alert/a", 60_000, never), false);
    assert.equal(await other.unclaim("alert/a", never), true);
    assert.equal(await other.unclaim("alert/a", never), false);
    assert.equal(await other.claim("alert/a", 30, never), true);
    await until("its end", async () => await fleet.claim("alert/a", 60_000, never), Boolean);
  });

  test("while Redis is down the server is alive but not ready, answers 503 with a hint, and is ready again later", async (t) => {
    const own = await ownRedis();
    if ("skip" in own) {
      t.skip(own.skip);
      return;
    }
    await using redis = own;
    await using world = await openWorld(t, redis);
    if (!world) return;
    const { fleet } = await world.open([exportOf("replays", LATER)]);
    await using site = await openSite(fleet, world);
    assert.equal(await site.status("/readyz"), 200);
    await redis.kill();
    await until(
      "not ready",
      async () => await site.status("/readyz"),
      (status) => status === 503,
    );
    const [alive, refused, page, metrics] = await Promise.all([
      site.status("/healthz"),
      site.ask("GET", "/api/exports"),
      site.text("/"),
      site.text("/metrics"),
    ]);
    assert.equal(alive, 200);
    assert.equal(refused.status, 503);
    assert.ok((refused.json["error"] as JsonObject)["hint"]);
    assert.match(page, /Redis is down/);
    assert.match(metrics, /replayport_redis_up 0\n/);
    await redis.restart();
    await until(
      "ready again",
      async () => await site.status("/readyz"),
      (status) => status === 200,
    );
    assert.equal((await site.ask("GET", "/api/exports")).status, 200);
  });
});

test("an error while a backfill is planned is reported as the source's", async (t) => {
  await using world = await openWorld(t);
  if (!world) return;
  const plan = async (): Promise<never> => {
    throw new ReplayportError("ClickHouse refuses", {
      code: "source.denied",
      remedy: "give-up",
      hint: "Grant SELECT.",
    });
  };
  const { fleet } = await world.open([exportOf("replays", LATER)], { plan });
  await using site = await openSite(fleet, world);
  const answer = await site.ask("POST", "/api/backfills", TEN);
  assert.equal(answer.status, 502);
  assert.deepEqual(answer.json["error"], {
    code: "source.denied",
    message: "ClickHouse refuses",
    hint: "Grant SELECT.",
  });
});
