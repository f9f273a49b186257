import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { anyOf, type Fault, type FaultProxy, first, openFaultProxy } from "./fault_proxy.ts";

const BODY = "0123456789".repeat(20_000);

interface Fixture extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** What the server was sent. */
  readonly received: string[];
}

async function openFixture(): Promise<Fixture> {
  const received: string[] = [];
  const server = createServer((request, answer) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      received.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`);
      answer.writeHead(201, { "x-of": "the server" }).end(BODY);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await openFaultProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    proxy,
    received,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function ask({ proxy }: Fixture, fault?: Fault): Promise<{ status: number; body: string }> {
  proxy.decide(() => fault);
  const response = await fetch(`${proxy.url}/path?a=b`, { method: "POST", body: "hello" });
  return { status: response.status, body: await response.text() };
}

suite("fault proxy", () => {
  test("the fault proxy passes everything on by default", async () => {
    await using fixture = await openFixture();
    assert.deepEqual(await ask(fixture), { status: 201, body: BODY });
    assert.deepEqual(fixture.received, ["POST /path?a=b hello"]);
    assert.deepEqual(
      fixture.proxy.requests.map(({ method, path, count }) => [method, path, count]),
      [["POST", "/path?a=b", 1]],
    );
  });

  test("a request that the fault proxy answers doesn't reach the server", async () => {
    await using fixture = await openFixture();
    assert.deepEqual(await ask(fixture, { kind: "answer", status: 503, body: "later" }), {
      status: 503,
      body: "later",
    });
    assert.deepEqual(fixture.received, []);
  });

  test("the fault proxy breaks a connection before or after the server has the request", async () => {
    await using fixture = await openFixture();
    await assert.rejects(ask(fixture, { kind: "cut-request" }));
    assert.deepEqual(fixture.received, []);
    await assert.rejects(ask(fixture, { kind: "cut-answer" }));
    assert.equal(fixture.received.length, 1);
  });

  test("the fault proxy cuts a body off, or ends it early as if it were complete", async () => {
    await using fixture = await openFixture();
    await assert.rejects(ask(fixture, { kind: "cut-body", afterBytes: 100_000 }));
    const ended = await ask(fixture, { kind: "end-body", afterBytes: 100_000 });
    assert.deepEqual(ended, { status: 201, body: BODY.slice(0, 100_000) });
  });

  test("the fault proxy holds a request or an answer back until it's released", async () => {
    await using fixture = await openFixture();
    for (const kind of ["hold-request", "hold-answer"] as const) {
      let release = (): void => undefined;
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      const before = fixture.received.length;
      const asked = ask(fixture, { kind, until });
      const early = await Promise.race([asked, new Promise((resolve) => setImmediate(resolve, "nothing yet"))]);
      assert.equal(early, "nothing yet");
      if (kind === "hold-request") assert.equal(fixture.received.length, before);
      release();
      assert.equal((await asked).status, 201);
    }
  });

  test("the fault proxy can limit a fault to the first requests, and takes the first of several faults", async () => {
    await using fixture = await openFixture();
    const { proxy } = fixture;
    const none = first(0, () => true, { kind: "cut-request" });
    proxy.decide(
      anyOf(
        none,
        first(1, ({ method }) => method === "GET", { kind: "answer", status: 500 }),
      ),
    );
    const statuses: number[] = [];
    for (const method of ["POST", "GET", "GET"]) {
      const response = await fetch(proxy.url, { method });
      await response.text();
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [201, 500, 201]);
  });

  test("the fault proxy of a dead server answers nobody", async () => {
    await using fixture = await openFixture();
    assert.equal((await ask(fixture)).status, 201);
    fixture.proxy.die();
    await assert.rejects(ask(fixture));
  });
});
