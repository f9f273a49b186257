/** The loop against a webhook of the tests on loopback, with waits that the test ends. The fleet is the one in memory. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { startAlerts, type AlertOptions } from "../../src/alerts/start_alerts.ts";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import { ERROR, exportStatus, type FakeFleet, fakeFleet, hours, NOW, PAUSE } from "../support/fake_fleet.ts";

const SECRET_PATH = "/services/s3cr3t-path";

interface Received {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: {
    readonly alerts: readonly { readonly id: string; readonly status: string; readonly message: string }[];
  };
}

/** Answers with the given statuses in turn, the last one for ever. */
class Webhook implements AsyncDisposable {
  readonly received: Received[] = [];
  statuses: number[] = [200];
  headers: Record<string, string> = {};
  readonly #server: Server;
  readonly #arrivals = new EventEmitter();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Webhook> {
    const server = createServer();
    const webhook = new Webhook(server);
    server.on("request", (request, response) => {
      void webhook.#receive(request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return webhook;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await text(request)) as Received["body"];
    this.received.push({ path: request.url ?? "", contentType: request.headers["content-type"], body });
    const status = this.statuses.length > 1 ? this.statuses.shift() : this.statuses[0];
    response.writeHead(status ?? 200, this.headers).end("s3cr3t-answer");
    this.#arrivals.emit("arrival");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${SECRET_PATH}`;
  }

  async until(count: number): Promise<void> {
    while (this.received.length < count) await once(this.#arrivals, "arrival");
  }

  notified(): string[] {
    return this.received.flatMap(({ body }) => body.alerts.map(({ status, id }) => `${status} ${id}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Waits that end when the test says so; each is announced. */
class Waits {
  readonly #events = new EventEmitter();
  readonly asked: number[] = [];

  readonly wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    this.asked.push(ms);
    const ended = once(this.#events, "end", { signal });
    this.#events.emit("begun");
    await ended;
  };

  async begun(count: number): Promise<void> {
    while (this.asked.length < count) await once(this.#events, "begun");
  }

  end(): void {
    this.#events.emit("end");
  }
}

interface World {
  readonly fleet: FakeFleet;
  readonly waits: Waits;
  readonly failures: unknown[];
  readonly clock: { now: Date };
  readonly alerts: AsyncDisposable;
}

function start(webhook: string, given: Partial<AlertOptions> = {}, beside?: Pick<World, "fleet" | "clock">): World {
  const clock = beside?.clock ?? { now: NOW };
  const fleet = beside?.fleet ?? fakeFleet({ now: () => clock.now });
  const waits = new Waits();
  const failures: unknown[] = [];
  const options: AlertOptions = { webhook, format: "json", lagAboveMs: undefined, repeatAfterMs: 3_600_000, ...given };
  const alerts = startAlerts(fleet, options, {
    now: () => clock.now,
    wait: waits.wait,
    random: () => 0,
    redact: (message) => message.replaceAll("hunter2", "[redacted]"),
    onSent: () => {},
    onFailure: (error) => void failures.push(error),
  });
  return { fleet, waits, failures, clock, alerts };
}

const failed = (name: string, message = ERROR.message) =>
  exportStatus(name, {
    failedIntervals: [{ interval: hours(3), error: { ...ERROR, message }, retryAt: undefined }],
    failuresInRow: 1,
  });

suite("alerts", () => {
  test("are posted as JSON, redacted, once; and resolved", async () => {
    await using webhook = await Webhook.open();
    const { fleet, waits, clock, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    assert.equal(webhook.received.length, 0);

    fleet.state.exports = [failed("replays", "wrong password hunter2"), failed("replays_eu")];
    waits.end();
    await webhook.until(1);
    await waits.begun(2);
    assert.equal(webhook.received[0]?.path, SECRET_PATH);
    assert.equal(webhook.received[0].contentType, "application/json");
    assert.match(webhook.received[0].body.alerts[0]?.message ?? "", /wrong password \[redacted\]/);
    assert.equal(webhook.received[0].body.alerts.length, 2, "one message for all of one look");

    waits.end();
    await waits.begun(3);
    assert.equal(webhook.received.length, 1, "not told again");

    clock.now = new Date(NOW.getTime() + 3_600_000);
    waits.end();
    await waits.begun(4);
    fleet.state.exports = [exportStatus("replays"), exportStatus("replays_eu")];
    waits.end();
    await waits.begun(5);
    assert.deepEqual(webhook.notified(), [
      "firing failed/replays",
      "firing failed/replays_eu",
      "firing failed/replays",
      "firing failed/replays_eu",
      "resolved failed/replays",
      "resolved failed/replays_eu",
    ]);
  });

  test("come soon after an event, gathered", async () => {
    await using webhook = await Webhook.open();
    const { fleet, waits, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [exportStatus("replays", { paused: PAUSE })];
    fleet.tell({ kind: "tick", at: NOW, export: "", seconds: 0, enqueued: 0 });
    assert.deepEqual(waits.asked, [30_000], "a tick is no reason to look");
    fleet.tell({ kind: "export.paused", at: NOW, export: "replays", pause: PAUSE, error: undefined });
    await waits.begun(2);
    assert.deepEqual(waits.asked, [30_000, 2_000]);
    waits.end();
    await webhook.until(1);
    assert.deepEqual(webhook.notified(), ["firing paused/replays"]);
  });

  test("are tried again with growing pauses", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [500, 503, 200];
    const { fleet, waits, failures, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    waits.end();
    await waits.begun(2);
    waits.end();
    await waits.begun(3);
    waits.end();
    await waits.begun(4);
    assert.deepEqual(waits.asked, [30_000, 500, 1_000, 30_000]);
    assert.deepEqual(webhook.notified(), ["firing failed/replays", "firing failed/replays", "firing failed/replays"]);
    assert.deepEqual(failures, []);
  });

  test("disconnect the webhook alone for as long as it asks, within reason", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [429, 200];
    webhook.headers = { "retry-after": "7" };
    const { fleet, waits, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    waits.end();
    await waits.begun(2);
    assert.equal(waits.asked[1], 7_000);
  });

  test("that cannot be sent are said once, and are sent when the webhook is back; no secret is in what is said", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [404];
    const { fleet, waits, failures, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    for (const turn of [2, 3, 4]) {
      waits.end();
      await waits.begun(turn);
    }
    assert.equal(webhook.received.length, 3, "a refusal is not tried again within one look");
    assert.equal(failures.length, 1);
    const [failure] = failures;
    assert.ok(failure instanceof ReplayportError);
    assert.equal(failure.message, "the alerts' webhook answered 404");
    assert.doesNotMatch(`${failure.stack}${failure.hint}`, /s3cr3t/);
    webhook.statuses = [200];
    waits.end();
    await waits.begun(5);
    waits.end();
    await waits.begun(6);
    assert.equal(webhook.received.length, 4, "sent once more, then told");
  });

  test("of a redirect is a failure: the address is carried nowhere", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [307];
    webhook.headers = { location: "/elsewhere" };
    const { fleet, waits, failures, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    waits.end();
    await waits.begun(2);
    assert.deepEqual(
      webhook.received.map(({ path }) => path),
      [SECRET_PATH],
    );
    assert.match(messageOf(failures[0]), /answered 307/);
  });

  test("to an address where nobody listens", async () => {
    const webhook = await Webhook.open();
    const { url } = webhook;
    await webhook[Symbol.asyncDispose]();
    const { fleet, waits, failures, alerts } = start(url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    for (const turn of [2, 3, 4, 5]) {
      waits.end();
      await waits.begun(turn);
    }
    assert.equal(messageOf(failures[0]), "the alerts' webhook can't be reached: ECONNREFUSED");
  });

  test("go on after Redis was away", async () => {
    await using webhook = await Webhook.open();
    const { fleet, waits, failures, alerts } = start(webhook.url);
    await using _alerts = alerts;
    await waits.begun(1);
    fleet.fail(new ReplayportError("Redis does not answer", { code: "redis.unreachable", remedy: "retry" }));
    for (const turn of [2, 3]) {
      waits.end();
      await waits.begun(turn);
    }
    assert.equal(failures.length, 1);
    fleet.fail(undefined);
    fleet.state.exports = [failed("replays")];
    waits.end();
    await webhook.until(1);
  });

  test("of two schedulers come once, and when one has died, from the other", async () => {
    await using webhook = await Webhook.open();
    const one = start(webhook.url);
    await one.waits.begun(1);
    const two = start(webhook.url, {}, one);
    await using _two = two.alerts;
    await two.waits.begun(1);
    const { fleet, clock } = one;
    fleet.state.exports = [failed("replays")];
    for (const { waits } of [one, two]) {
      waits.end();
      await waits.begun(2);
    }
    assert.deepEqual(webhook.notified(), ["firing failed/replays"]);
    fleet.state.exports = [exportStatus("replays")];
    for (const { waits } of [two, one]) {
      waits.end();
      await waits.begun(3);
    }
    await one.alerts[Symbol.asyncDispose]();
    fleet.state.exports = [failed("replays")];
    two.waits.end();
    await two.waits.begun(4);
    clock.now = new Date(NOW.getTime() + 3_600_000);
    two.waits.end();
    await two.waits.begun(5);
    assert.deepEqual(webhook.notified(), [
      "firing failed/replays",
      "resolved failed/replays",
      "firing failed/replays",
      "firing failed/replays",
    ]);
  });

  test("are not told again after a restart, but when the hours have passed", async () => {
    await using webhook = await Webhook.open();
    const before = start(webhook.url);
    before.fleet.state.exports = [failed("replays")];
    await before.waits.begun(1);
    await before.alerts[Symbol.asyncDispose]();
    const after = start(webhook.url, {}, before);
    await using _after = after.alerts;
    await after.waits.begun(1);
    after.fleet.state.exports = [failed("replays"), failed("replays_eu")];
    after.waits.end();
    await after.waits.begun(2);
    assert.deepEqual(webhook.notified(), ["firing failed/replays", "firing failed/replays_eu"]);
    after.clock.now = new Date(NOW.getTime() + 3_600_000);
    after.waits.end();
    await after.waits.begun(3);
    assert.equal(webhook.notified().length, 4);
  });

  test("that a process took and never sent are sent by another", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [500, 500, 500, 500, 200];
    const one = start(webhook.url);
    await one.waits.begun(1);
    one.fleet.state.exports = [failed("replays")];
    one.waits.end();
    await one.waits.begun(2);
    const two = start(webhook.url, {}, one);
    await using _two = two.alerts;
    await two.waits.begun(1);
    assert.equal(webhook.received.length, 1, "the first is still at it");
    for (const turn of [3, 4, 5]) {
      one.waits.end();
      await one.waits.begun(turn);
    }
    assert.equal(one.failures.length, 1);
    assert.equal(webhook.received.length, 4);
    await one.alerts[Symbol.asyncDispose]();
    two.waits.end();
    await two.waits.begun(2);
    assert.equal(webhook.received.length, 4, "the other may still be at it");
    one.clock.now = new Date(NOW.getTime() + 3 * 60_000);
    two.waits.end();
    await two.waits.begun(3);
    assert.equal(webhook.received.length, 5);
    two.waits.end();
    await two.waits.begun(4);
    assert.equal(webhook.received.length, 5, "told");
  });

  test("end when they are disposed, also while one is sent", async () => {
    await using webhook = await Webhook.open();
    webhook.statuses = [500];
    const { fleet, waits, alerts } = start(webhook.url);
    await waits.begun(1);
    fleet.state.exports = [failed("replays")];
    waits.end();
    await waits.begun(2);
    assert.equal(fleet.listeners, 1);
    await alerts[Symbol.asyncDispose]();
    assert.equal(fleet.listeners, 0);
  });
});
