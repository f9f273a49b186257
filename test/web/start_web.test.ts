/** Listening and closing, over real sockets on loopback. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import type { Fleet } from "../../src/fleet/fleet.ts";
import { isLoopback, startWeb, type Web, type WebDependencies, type WebOptions } from "../../src/web/start_web.ts";
import { TOKEN } from "./app_client.ts";
import { type FakeFleet, fakeFleet, NOW } from "../support/fake_fleet.ts";

const OPTIONS: WebOptions = { host: "127.0.0.1", port: 0, token: TOKEN, publicReads: false };
const DEPENDENCIES: WebDependencies = {
  now: () => NOW,
  stopping: new AbortController().signal,
  redact: (text) => text,
  onUnexpected: () => {},
  onWrongTokens: () => {},
};
const open = async (options: Partial<WebOptions> = {}, fleet: FakeFleet = fakeFleet()): Promise<Web> =>
  await startWeb(fleet, { ...OPTIONS, ...options }, DEPENDENCIES);
const headers = { authorization: `Bearer ${TOKEN}` };
const codeOf =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof ReplayportError && error.code === code && error.hint !== undefined;

suite("listening", () => {
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "replayport.internal", "127.0.0.1.evil.example"]) {
    test(`refuses ${host} without a token, before anything listens`, async () => {
      const fleet = fakeFleet();
      await assert.rejects(open({ host, token: undefined, publicReads: true }, fleet), codeOf("http.unguarded"));
      assert.equal(fleet.listeners, 0);
    });
  }

  test("the server listens beyond loopback if there is a token", async () => {
    await using web = await open({ host: "0.0.0.0" });
    const url = web.url.replace("0.0.0.0", "127.0.0.1");
    assert.equal((await fetch(`${url}/api/queue`)).status, 401);
    assert.equal((await fetch(`${url}/api/queue`, { headers })).status, 200);
  });

  for (const host of ["127.0.0.1", "localhost"]) {
    test(`on ${host} without one`, async () => {
      await using web = await open({ host, token: undefined, publicReads: true });
      assert.equal((await fetch(`${web.url}/api/queue`)).status, 200);
    });
  }

  test("localhost, ::1 and 127.0.0.0/8 count as loopback", () => {
    for (const host of ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "::1", "[::1]"])
      assert.ok(isLoopback(host));
    for (const host of ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "1127.0.0.1"])
      assert.ok(!isLoopback(host));
  });

  test("a port that is taken is a clear error and leaves nothing behind", async () => {
    await using first = await open();
    const fleet = fakeFleet();
    const port = Number(new URL(first.url).port);
    await assert.rejects(open({ port }, fleet), codeOf("http.cannot_listen"));
    assert.equal(fleet.listeners, 0);
  });

  test("a body over the limit is refused by the server too", async () => {
    await using web = await open();
    const body = JSON.stringify({ reason: "x".repeat(200_000) });
    const sent = { method: "POST", body, headers: { ...headers, "content-type": "application/json" } };
    const answer = await fetch(`${web.url}/api/exports/replays/pause`, sent);
    assert.equal(answer.status, 413);
    await answer.text();
  });
});

suite("closing", () => {
  test("closing the server releases the fleet's events and the port", async () => {
    const fleet = fakeFleet();
    const web = await open({}, fleet);
    assert.equal((await fetch(`${web.url}/healthz`)).status, 200);
    assert.equal(fleet.listeners, 1);
    await web[Symbol.asyncDispose]();
    assert.equal(fleet.listeners, 0);
    await assert.rejects(fetch(`${web.url}/healthz`));
  });

  test("a server that closes isn't ready any more, but still shows the dashboard", async () => {
    const stopping = new AbortController();
    await using web = await startWeb(fakeFleet(), OPTIONS, { ...DEPENDENCIES, stopping: stopping.signal });
    const status = async (path: string): Promise<number> => (await fetch(web.url + path, { headers })).status;
    assert.equal(await status("/readyz"), 200);
    stopping.abort();
    assert.equal(await status("/readyz"), 503);
    assert.equal(await status("/healthz"), 200);
    assert.equal(await status("/api/runs"), 200);
  });

  /** A fleet whose queue is answered when `release` is called, or never where the signal comes first. */
  const slowFleet = () => {
    const fleet = fakeFleet();
    const gate = new EventEmitter();
    const asked = once(gate, "asked");
    const slow: Fleet = {
      ...fleet,
      queue: async (signal) => {
        const released = once(gate, "released", { signal });
        gate.emit("asked");
        await released;
        return fleet.state.queue;
      },
    };
    return { slow, asked, release: () => gate.emit("released") };
  };
  const openSlow = async (fleet: Fleet): Promise<Web> => await startWeb(fleet, OPTIONS, DEPENDENCIES);

  test("closing the server finishes an answer in progress, and then ends at once", async () => {
    const { slow, asked, release } = slowFleet();
    const web = await openSlow(slow);
    const answer = fetch(`${web.url}/api/queue`, { headers });
    await asked;
    const began = performance.now();
    const closed = web[Symbol.asyncDispose]();
    release();
    assert.equal((await answer).status, 200);
    await closed;
    assert.ok(performance.now() - began < 2_000, "the deadline was waited for");
  });

  test("closing the server cuts off slow answers at the deadline", async () => {
    const { slow, asked } = slowFleet();
    const web = await openSlow(slow);
    const answer = fetch(`${web.url}/api/queue`, { headers }).then(
      ({ status }) => status,
      () => "cut off",
    );
    await asked;
    await web[Symbol.asyncDispose]();
    assert.ok([503, "cut off"].includes(await answer));
  });

  test("closing the server doesn't wait for clients that send half a request or nothing", async () => {
    const web = await open();
    const port = Number(new URL(web.url).port);
    const half = connect(port, "127.0.0.1");
    const idle = connect(port, "127.0.0.1");
    const gone = [half, idle].map(async (socket) => {
      socket.on("error", () => {});
      socket.resume();
      await new Promise<void>((resolve) => void socket.once("close", () => resolve()));
    });
    await Promise.all([once(half, "connect"), once(idle, "connect")]);
    half.write(
      `POST /api/backfills HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n` +
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    // An answer on another connection: by then the first one was read.
    assert.equal((await fetch(`${web.url}/healthz`)).status, 200);
    const began = performance.now();
    await web[Symbol.asyncDispose]();
    assert.ok(performance.now() - began < 8_000);
    await Promise.all(gone);
  });
});
