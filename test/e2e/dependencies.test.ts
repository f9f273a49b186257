/** The audit of dependencies, against a registry of the test's own. CI asks the real one before it runs the tests. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import { temporaryFolder } from "../support/temporary_folder.ts";

interface Audit {
  readonly code: number;
  readonly stdout: string;
}

async function audit(args: readonly string[], env: Record<string, string> = {}): Promise<Audit> {
  return await new Promise((resolve) => {
    const all = { ...process.env, npm_config_fetch_retries: "0", ...env };
    execFile(process.execPath, ["scripts/audit-dependencies.ts", ...args], { env: all }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout });
    });
  });
}

/** What the audit says when the registry answers this about the packages that it asks for. */
async function auditAt(
  answer: (packages: string[]) => { status: number; body: unknown },
  args: readonly string[] = [],
): Promise<Audit> {
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const packages = Object.keys(JSON.parse(gunzipSync(await buffer(request)).toString("utf8")) as object);
    const { status, body } = answer(packages);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    // It asks for the versions of a package that has an advisory, and does without them.
    if (request.method !== "POST") {
      response.writeHead(404).end("{}");
      return;
    }
    void respond(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // npm keeps what it made of an advisory.
  await using cache = await temporaryFolder();
  try {
    const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return await audit(args, { npm_config_registry: registry, npm_config_cache: cache.path });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const advisory = (severity: string): object => ({
  hono: [{ id: 1, url: "https://example.com/1", title: "Bodies are echoed", severity, vulnerable_versions: "*" }],
});

suite("the audit of dependencies", () => {
  test("a vulnerability that is high fails the audit and is named with its advisory", async () => {
    const { code, stdout } = await auditAt(() => ({ status: 200, body: advisory("high") }));
    assert.equal(code, 1);
    assert.match(stdout, /high · hono .*Bodies are echoed.*example\.com\/1/);
  });

  test("a moderate vulnerability is named, and passes", async () => {
    const { code, stdout } = await auditAt(() => ({ status: 200, body: advisory("moderate") }));
    assert.equal(code, 0);
    assert.match(stdout, /moderate · hono/);
  });

  test("production dependencies are asked about, those of the tests are not", async () => {
    let asked: string[] = [];
    const { code, stdout } = await auditAt((packages) => {
      asked = packages;
      return { status: 200, body: {} };
    });
    assert.equal(code, 0);
    assert.match(stdout, /^0 known/);
    assert.ok(asked.includes("hono") && !asked.includes("fast-check"));
  });

  test("a registry that doesn't answer is said, and fails only where an answer is required", async () => {
    for (const args of [[], ["--required"]]) {
      const { code, stdout } = await auditAt(() => ({ status: 405, body: {} }), args);
      assert.equal(code, args.length);
      assert.match(stdout, /^not answered here: .*405/);
    }
  });
});
