/** Requests that no browser and no fetch sends: over a raw socket, byte by byte. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { startWeb, type Web } from "../../src/web/start_web.ts";
import { TOKEN } from "./app_client.ts";
import { fakeFleet, NOW } from "../support/fake_fleet.ts";

suite("HTTP over a raw socket", () => {
  let web: Web;
  const unexpected: unknown[] = [];
  const fleet = fakeFleet();
  before(async () => {
    web = await startWeb(
      fleet,
      { host: "127.0.0.1", port: 0, token: TOKEN, publicReads: false },
      {
        now: () => NOW,
        stopping: new AbortController().signal,
        redact: (one) => one,
        onUnexpected: (error) => void unexpected.push(error),
        onWrongTokens: () => {},
      },
    );
  });
  after(async () => await web[Symbol.asyncDispose]());

  const open = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(web.url).port), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const HEADERS = `Host: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n`;
  const send = async (head: string, body = "", headers = HEADERS): Promise<{ status: number; body: string }> => {
    const socket = await open();
    socket.write(`${head}\r\n${headers}${body === "" ? "" : body}${body === "" ? "\r\n" : ""}`);
    const answer = await text(socket);
    const [, status = ""] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
    return { status: Number(status), body: answer.slice(answer.indexOf("\r\n\r\n")) };
  };
  const chunked = (...chunks: string[]): string =>
    `Transfer-Encoding: chunked\r\n\r\n${[...chunks, ""].map((one) => `${one.length.toString(16)}\r\n${one}\r\n`).join("")}`;
  const JSON_TYPE = "Content-Type: application/json\r\n";

  test("a POST without a body and without Content-Length resumes an export", async () => {
    for (const version of ["1.1", "1.0"]) {
      const { status, body } = await send(`POST /api/exports/replays/resume HTTP/${version}`);
      assert.equal(status, 200, body);
    }
    assert.deepEqual(fleet.calls.slice(-2), ["resume replays api", "resume replays api"]);
    assert.deepEqual(unexpected, []);
  });

  test("a POST in chunks is read as one with Content-Length", async () => {
    const given = `${JSON_TYPE}${chunked('{"reason": "the ', 'warehouse moves"', "}")}`;
    const { status, body } = await send("POST /api/exports/replays/pause HTTP/1.1", given);
    assert.equal(status, 200, body);
    assert.match(body, /the warehouse moves/);
    assert.deepEqual(unexpected, []);
  });

  test("a body in chunks over the limit is refused", async () => {
    const given = `${JSON_TYPE}${chunked(`{"reason": "${"x".repeat(70_000)}"}`)}`;
    assert.equal((await send("POST /api/exports/replays/pause HTTP/1.1", given)).status, 413);
    assert.deepEqual(unexpected, []);
  });

  for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"]) {
    test(`${method} with a token is answered as a method that the path doesn't support`, async () => {
      for (const body of ["", chunked("x"), "Content-Length: 0\r\n\r\n", "Content-Length: 1\r\n\r\nx"]) {
        const { status, body: answer } = await send(`${method} /api/exports/replays HTTP/1.1`, body);
        assert.equal(status, 405, answer);
      }
      assert.deepEqual(unexpected, []);
    });
  }

  test("the form to log in may come in chunks", async () => {
    const login = (token: string) =>
      send("POST /login HTTP/1.1", chunked("token=", token), "Host: x\r\nConnection: close\r\n");
    assert.equal((await login(TOKEN)).status, 303);
    assert.equal((await login("not the token")).status, 401);
    assert.deepEqual(unexpected, []);
  });

  test("bodies that break off, or break the rules of chunks, leave nothing in the log", async () => {
    const BROKEN = [
      "Transfer-Encoding: chunked\r\n\r\n5\r\ntok",
      "Transfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\nzz\r\n",
      "Content-Length: 100\r\n\r\ntoken=",
      "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\ntoken\r\n",
      "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n--x\r\n",
    ];
    for (const path of ["/login", "/logout"]) {
      for (const body of BROKEN) {
        const socket = await open();
        socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${body}`);
        // An answer on another connection: by then this one was read.
        await fetch(`${web.url}/healthz`);
        socket.destroy();
        await once(socket, "close");
      }
    }
    await fetch(`${web.url}/healthz`);
    assert.deepEqual(unexpected, []);
  });
});
