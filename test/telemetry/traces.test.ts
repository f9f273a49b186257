/** Traces as a collector gets them: an HTTP server of the tests on loopback, which takes OTLP in JSON. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import type { FleetEvent } from "../../src/fleet/fleet.ts";
import { traceTarget } from "../../src/telemetry/endpoint.ts";
import { startTraces } from "../../src/telemetry/start_traces.ts";
import { VERSION } from "../../src/version.ts";
import { ERROR, type FakeFleet, fakeFleet, hours, NOW } from "../support/fake_fleet.ts";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number };
}

interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

const valuesOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

class Collector implements AsyncDisposable {
  readonly exports: Export[] = [];
  readonly paths: string[] = [];
  status = 200;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void buffer(request).then((body) => {
        this.paths.push(request.url ?? "");
        if (this.status === 200) this.exports.push(JSON.parse(body.toString()) as Export);
        return response.writeHead(this.status, { "content-type": "application/json" }).end("{}");
      });
    });
  }

  static async open(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  spans(): SentSpan[] {
    return this.exports.flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const after = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);
const base = { export: "replays", run: "replays/x", interval: hours(10), backfill: undefined, attempt: 1 };
const LOADED: readonly FleetEvent[] = [
  { ...base, at: NOW, kind: "run.started", waitedSeconds: 2 },
  { ...base, at: after(0.5), kind: "run.stage", stage: "counted", sessions: 9, files: 2, seconds: 0.5 },
  { ...base, at: after(2), kind: "run.stage", stage: "staged", rows: 5, bytes: 500, seconds: 1.5 },
  { ...base, at: after(3), kind: "run.stage", stage: "staged", rows: 4, bytes: 400, seconds: 1 },
  {
    ...base,
    at: after(5),
    kind: "run.loaded",
    rows: 9,
    bytes: 900,
    files: 2,
    committedAt: after(5),
    seconds: 5,
    countSeconds: 0.5,
    stageSeconds: 2.5,
    loadSeconds: 2,
  },
];

async function send(
  events: readonly FleetEvent[],
  collector: Collector,
): Promise<{ fleet: FakeFleet; failures: string[] }> {
  const fleet = fakeFleet();
  const failures: string[] = [];
  const target = { url: `${collector.url}/v1/traces`, serviceName: "replayport-tests" };
  const traces = await startTraces(fleet, target, { onFailure: (message) => void failures.push(message) });
  for (const event of events) fleet.tell(event);
  await traces[Symbol.asyncDispose]();
  return { fleet, failures };
}

/** Seconds since NOW. */
const from = (nanos: string): number => (Number(BigInt(nanos) / 1_000_000n) - NOW.getTime()) / 1000;

suite("traces", () => {
  test("a loaded run: run, source, stage for each file, load", async () => {
    await using collector = await Collector.open();
    const { fleet, failures } = await send(LOADED, collector);
    assert.deepEqual(failures, []);
    assert.equal(fleet.listeners, 0);
    assert.deepEqual([...new Set(collector.paths)], ["/v1/traces"]);
    const spans = collector.spans();
    const root = spans.find(({ name }) => name === "run");
    assert.ok(root);
    assert.ok(root.parentSpanId === undefined || root.parentSpanId === "");
    assert.deepEqual(
      spans
        .map((span) => [span.name, from(span.startTimeUnixNano), from(span.endTimeUnixNano)] as const)
        .sort(([a, start], [b, other]) => a.localeCompare(b) || start - other),
      [
        ["load", 2, 5],
        ["run", 0, 5],
        ["source", 0, 0.5],
        ["stage", 0.5, 2],
        ["stage", 2, 3],
      ],
    );
    for (const span of spans) {
      assert.equal(span.traceId, root.traceId);
      if (span !== root) assert.equal(span.parentSpanId, root.spanId);
    }
    const values = valuesOf(root.attributes);
    assert.equal(values["replayport.export"], "replays");
    assert.equal(values["replayport.interval.start"], "2026-10-05T10:00:00.000Z");
    assert.equal(values["replayport.outcome"], "loaded");
    assert.equal(values["replayport.rows"], 9);
    assert.equal(root.status.code, 1);
    const resource = valuesOf(collector.exports[0]?.resourceSpans[0]?.resource.attributes ?? []);
    assert.equal(resource["service.name"], "replayport-tests");
    assert.equal(resource["service.version"], VERSION);
  });

  test("a run that failed, and one that is tried again, carry the error", async () => {
    await using collector = await Collector.open();
    const second = { ...base, attempt: 2 };
    await send(
      [
        { ...base, at: NOW, kind: "run.started", waitedSeconds: 0 },
        { ...base, at: after(1), kind: "run.retrying", error: ERROR, delayMs: 1000, seconds: 1 },
        { ...second, at: after(2), kind: "run.started", waitedSeconds: 2 },
        { ...second, at: after(3), kind: "run.failed", error: ERROR, seconds: 1 },
      ],
      collector,
    );
    const spans = collector.spans();
    assert.equal(spans.length, 2);
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 2);
    for (const span of spans) {
      assert.equal(span.status.code, 2);
      assert.equal(span.status.message, ERROR.message);
      assert.equal(valuesOf(span.attributes)["error.type"], ERROR.code);
    }
  });

  test("runs at the same time do not mix; what never ended is not sent", async () => {
    await using collector = await Collector.open();
    const other = { ...base, run: "replays/y" };
    await send(
      [
        { ...base, at: NOW, kind: "run.started", waitedSeconds: 0 },
        { ...other, at: after(1), kind: "run.started", waitedSeconds: 0 },
        { ...other, at: after(2), kind: "run.covered", seconds: 1 },
        { kind: "tick", at: NOW, export: "", seconds: 0, enqueued: 0 },
        { ...base, run: "replays/z", at: NOW, kind: "run.released", seconds: 1 },
      ],
      collector,
    );
    assert.deepEqual(
      collector.spans().map((span) => valuesOf(span.attributes)["replayport.run"]),
      ["replays/y"],
    );
  });

  test("a collector that refuses is said once, and harms nothing", async () => {
    await using collector = await Collector.open();
    collector.status = 403;
    const { failures } = await send(LOADED, collector);
    assert.deepEqual(failures, ["can't send traces; runs continue without them"]);
  });
});

suite("where traces go", () => {
  const NONE = { endpoint: undefined, serviceName: undefined };
  const cases: readonly (readonly [string, Parameters<typeof traceTarget>, string | undefined])[] = [
    ["nowhere", [NONE, {}], undefined],
    ["nowhere where the variable is empty", [NONE, { OTEL_EXPORTER_OTLP_ENDPOINT: " " }], undefined],
    [
      "the config",
      [{ ...NONE, endpoint: "http://a:4318" }, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" }],
      "http://a:4318/v1/traces",
    ],
    ["the variable", [NONE, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://b:4318/" }], "http://b:4318/v1/traces"],
    ["the variable for traces, as it is", [NONE, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c/x" }], "http://c/x"],
    ["nowhere where it is disabled", [{ ...NONE, endpoint: "http://a" }, { OTEL_SDK_DISABLED: "true" }], undefined],
    [
      "nowhere where no exporter is wanted",
      [{ ...NONE, endpoint: "http://a" }, { OTEL_TRACES_EXPORTER: "none" }],
      undefined,
    ],
  ];
  for (const [name, [options, env], url] of cases) {
    test(name, () => assert.equal(traceTarget(options, env)?.url, url));
  }

  test("the service's name", () => {
    const options = { endpoint: "http://a", serviceName: undefined };
    assert.equal(traceTarget(options, {})?.serviceName, "replayport");
    assert.equal(traceTarget(options, { OTEL_SERVICE_NAME: "x" })?.serviceName, "x");
    assert.equal(traceTarget({ ...options, serviceName: "y" }, { OTEL_SERVICE_NAME: "x" })?.serviceName, "y");
  });
});

test("nothing of OpenTelemetry is loaded before there is somewhere to send to", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({ load: (url, context, next) => { if (url.includes("@opentelemetry")) seen.push(url); return next(url, context); } });
    const { startTraces } = await import("./src/telemetry/start_traces.ts");
    await import("./src/cli/program.ts");
    await import("./src/cli/fleet_parts.ts");
    const before = seen.length;
    await startTraces({ onEvent: () => ({ [Symbol.dispose]() {} }) }, { url: "http://127.0.0.1:1", serviceName: "x" }, {});
    console.log(JSON.stringify([before, seen.length > 0]));
    process.exit(0);
  `;
  const cwd = new URL("../../", import.meta.url);
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd });
  assert.deepEqual(JSON.parse(stdout), [0, true]);
});
