/** The client of a REST catalog: against a server that answers what a test says, and against SeaweedFS, which checks what it's sent. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { type Catalog, commitBody, openCatalog } from "../../../destinations/catalog/catalog.ts";
import type { CatalogAuth, CatalogOptions } from "../../../destinations/catalog/options.ts";
import { newSchema } from "../../../destinations/table_format/schema.ts";
import { icebergServer } from "../../support/iceberg.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
type Answer = (seen: Seen, response: ServerResponse) => void;

interface FakeCatalog extends AsyncDisposable {
  readonly uri: string;
  readonly seen: Seen[];
}

async function fake(answer: Answer): Promise<FakeCatalog> {
  const seen: Seen[] = [];
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers } = request;
    const one = { method, url, headers, body: await text(request) };
    seen.push(one);
    answer(one, response);
  };
  const server = createServer((request, response) => {
    void respond(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

const CONFIG = { defaults: {}, overrides: { prefix: "catalogs/7" } };
const ID = { namespace: ["a", "b c"], name: "t/1" };
const METADATA = {
  "format-version": 2,
  "table-uuid": "u",
  location: "s3://lake/t",
  "last-updated-ms": 1,
  "last-column-id": 1,
  "current-snapshot-id": "SNAPSHOT",
};
const signal = AbortSignal.timeout(120_000);

/** Answers to everything but the config. */
function catalogs(answer: Answer): Promise<FakeCatalog> {
  return fake((seen, response) => {
    if (seen.url.startsWith("/v1/config")) reply(response, 200, CONFIG);
    else answer(seen, response);
  });
}

const open = (uri: string, auth: CatalogAuth = { type: "none" }, more: Partial<CatalogOptions> = {}): Catalog =>
  openCatalog({ uri, warehouse: "w 1", auth, ...more });

suite("the catalog client", () => {
  test("paths have the config's prefix and each name is one part of them", async () => {
    await using server = await catalogs((_, response) =>
      reply(response, 404, { error: { type: "NoSuchTableException" } }),
    );
    assert.equal(await open(server.uri).loadTable(ID, signal), undefined);
    assert.deepEqual(
      server.seen.map((one) => one.url),
      ["/v1/config?warehouse=w%201", "/v1/catalogs/7/namespaces/a%1Fb%20c/tables/t%2F1"],
    );
  });

  test("an override of the address is followed, a default of it is not", async () => {
    await using real = await fake((_, response) => reply(response, 404, { error: { type: "NoSuchTableException" } }));
    await using server = await fake((_, response) =>
      reply(response, 200, {
        defaults: { prefix: "p", uri: "http://127.0.0.1:1" },
        overrides: { uri: `${real.uri}/x/` },
      }),
    );
    await open(`${server.uri}/`).loadTable(ID, signal);
    assert.deepEqual(
      real.seen.map((one) => one.url),
      ["/x/v1/p/namespaces/a%1Fb%20c/tables/t%2F1"],
    );
  });

  test("snapshot ids of 63 bits and vended credentials come with the table", async () => {
    const answer = {
      "metadata-location": "s3://lake/t/metadata/1.json",
      metadata: METADATA,
      config: { "client.region": "eu-central-1", "s3.access-key-id": "old", "s3.secret-access-key": "old" },
      "storage-credentials": [
        { prefix: "s3://lake/", config: { "s3.access-key-id": "wide", "s3.secret-access-key": "s1" } },
        {
          prefix: "s3://lake/t",
          config: {
            "s3.access-key-id": "near",
            "s3.secret-access-key": "s2",
            "s3.session-token": "s3",
            "s3.session-token-expires-at-ms": "1800000000000",
          },
        },
      ],
    };
    const body = JSON.stringify(answer).replace('"SNAPSHOT"', "9223372036854775807");
    await using server = await catalogs((_, response) => reply(response, 200, body));
    const table = await open(server.uri, { type: "none" }, { vendedCredentials: true }).loadTable(ID, signal);
    assert.equal(table?.metadata.currentSnapshotId, 9223372036854775807n);
    assert.deepEqual(
      table?.credentials.map((one) => [one.prefix, one.accessKeyId, one.region]),
      [
        ["s3://lake/t", "near", "eu-central-1"],
        ["s3://lake/", "wide", "eu-central-1"],
        ["", "old", "eu-central-1"],
      ],
    );
    assert.equal(table?.credentials[0]?.expiresAt, 1_800_000_000_000);
    assert.equal(server.seen[1]?.headers["x-iceberg-access-delegation"], "vended-credentials");
  });

  test("a commit sends its bytes as they are, and each answer says what it proves", async () => {
    const body = commitBody(ID, {
      requirements: [{ type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": 2n ** 62n + 1n }],
      updates: [],
    });
    assert.match(body, /"snapshot-id":4611686018427387905/);
    for (const [status, wanted, code] of [
      [200, "won", undefined],
      [400, "refused", "catalog.rejected"],
      [403, "refused", "catalog.access_denied"],
      [404, "refused", "catalog.no_table"],
      [422, "refused", "catalog.rejected"],
      [301, "unknown", "catalog.redirected"],
      [408, "unknown", "catalog.unavailable"],
      [409, "unknown", "catalog.conflict"],
      [425, "unknown", "catalog.unavailable"],
      [429, "unknown", "catalog.busy"],
      [500, "unknown", "catalog.unavailable"],
      [503, "unknown", "catalog.unavailable"],
      [504, "unknown", "catalog.unavailable"],
    ] as const) {
      await using server = await catalogs((_, response) => {
        const type = status === 404 ? "NoSuchTableException" : "SomeException";
        const error = { error: { message: "why", type, code: status } };
        reply(response, status, status === 200 ? {} : error, { "retry-after": "7", location: "http://127.0.0.1:1/" });
      });
      const answer = await open(server.uri).commit(ID, body, signal);
      assert.equal(answer.answer, wanted, String(status));
      assert.equal(server.seen.length, 2, "sent once");
      assert.equal(server.seen[1]?.body, body);
      if (answer.answer === "won") continue;
      assert.equal(answer.error.code, code, String(status));
      assert.match(answer.error.message, /commit to table a\.b c\.t\/1 .*why/);
      assert.equal(answer.error.retryAfterMs, 7000);
      if (answer.answer === "unknown") assert.equal(answer.status, status);
    }
  });

  test("a commit whose answer is lost, cut, late, or no JSON of a catalog is unknown", async () => {
    const ways: readonly Answer[] = [
      (_, response) => response.destroy(),
      (_, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("{");
        setImmediate(() => response.destroy());
      },
      () => undefined,
      (_, response) => reply(response, 502, "<html>Bad gateway</html>"),
      // A login page or a proxy's: nothing says that a catalog has seen the request.
      (_, response) => reply(response, 200, "<html>Welcome</html>"),
    ];
    for (const [at, way] of ways.entries()) {
      await using server = await catalogs(way);
      const answer = await open(server.uri, { type: "none" }, { timeoutMs: 1000 }).commit(ID, "{}", signal);
      assert.equal(answer.answer, "unknown", String(at));
    }
  });

  test("an abort during a commit leaves its outcome unknown, one before it sends nothing", async () => {
    const abort = new AbortController();
    await using server = await catalogs(() => abort.abort(new Error("stop")));
    const catalog = open(server.uri);
    assert.equal((await catalog.commit(ID, "{}", abort.signal)).answer, "unknown");
    await assert.rejects(catalog.commit(ID, "{}", abort.signal), /stop/);
    assert.equal(server.seen.length, 2);
  });

  test("errors say what was tried, what the catalog said, and what to do", async () => {
    const cases = [
      [
        403,
        { error: { type: "ForbiddenException", message: "no create" } },
        "catalog.access_denied",
        /create namespace x/,
      ],
      [400, { message: "User is not authorized", __type: "x" }, "catalog.access_denied", /not authorized/],
      [401, { error: { type: "NotAuthorizedException", message: "who?" } }, "catalog.unauthorized", /who\?/],
      [404, "nothing here", "catalog.not_found", /nothing here/],
      [503, { error: { type: "SlowDown", message: "later" } }, "catalog.unavailable", /later/],
    ] as const;
    for (const [status, body, code, message] of cases) {
      const headers = status === 400 ? { "x-amzn-errortype": "AccessDeniedException" } : undefined;
      await using server = await catalogs((_, response) => reply(response, status, body, headers));
      await assert.rejects(
        open(server.uri).createNamespace(["x"], signal),
        (error: { code?: string; message?: string; hint?: string }) => {
          assert.equal(error.code, code);
          assert.match(error.message ?? "", message);
          assert.ok((error.hint ?? "").length > 10);
          return true;
        },
      );
    }
  });

  test("an address where no catalog is, or nothing at all, is told apart", async () => {
    await using page = await fake((_, response) => reply(response, 200, "<html>"));
    await assert.rejects(open(page.uri).checkConfig(signal), { code: "catalog.no_catalog" });
    await using other = await fake((_, response) => reply(response, 404, "no such page"));
    await assert.rejects(open(other.uri).checkConfig(signal), { code: "catalog.not_found" });
    await assert.rejects(open("http://127.0.0.1:1").checkConfig(signal), {
      code: "catalog.unreachable",
      remedy: "retry",
    });
  });

  test("a redirect isn't followed: it would take the credentials along", async () => {
    await using thief = await fake((_, response) => reply(response, 200, CONFIG));
    await using server = await fake((_, response) => reply(response, 307, "", { location: thief.uri }));
    await assert.rejects(open(server.uri, { type: "token", token: "secret-token" }).checkConfig(signal), {
      code: "catalog.redirected",
    });
    assert.equal(thief.seen.length, 0);
  });

  test("a config that failed is asked for again", async () => {
    let failed = false;
    await using server = await fake((_, response) => {
      if (failed) reply(response, 200, CONFIG);
      else reply(response, 503, {});
      failed = true;
    });
    const catalog = open(server.uri);
    await assert.rejects(catalog.checkConfig(signal), { code: "catalog.unavailable" });
    await catalog.checkConfig(signal);
  });
});

suite("signing in to a catalog", () => {
  const OAUTH = { type: "oauth2", clientId: "me", clientSecret: "hush-hush" } as const;
  /** Gives out tokens t1, t2 … */
  const tokens = (seconds: number, answer: Answer): Promise<FakeCatalog> => {
    let given = 0;
    return catalogs((seen, response) => {
      if (seen.url !== "/v1/oauth/tokens") return answer(seen, response);
      given += 1;
      reply(response, 200, { access_token: `token-${given}`, token_type: "bearer", expires_in: seconds });
    });
  };
  const used = (server: FakeCatalog): unknown[] =>
    server.seen.filter((one) => one.url.includes("namespaces")).map((one) => one.headers.authorization);

  test("one token serves many requests, also those that begin at the same time", async () => {
    await using server = await tokens(3600, (_, response) => reply(response, 404, {}));
    const catalog = open(server.uri, OAUTH);
    await Promise.all([1, 2, 3].map(() => catalog.namespaceExists(["x"], signal)));
    await catalog.namespaceExists(["x"], signal);
    assert.deepEqual(used(server), ["Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-1"]);
    const asked = server.seen.filter((one) => one.url === "/v1/oauth/tokens");
    assert.equal(asked.length, 1);
    assert.deepEqual(Object.fromEntries(new URLSearchParams(asked[0]?.body)), {
      grant_type: "client_credentials",
      client_id: "me",
      client_secret: "hush-hush",
      scope: "catalog",
    });
  });

  test("a token that is at its end is renewed before it's used", async () => {
    await using server = await tokens(0, (_, response) => reply(response, 404, {}));
    const catalog = open(server.uri, OAUTH);
    await catalog.namespaceExists(["x"], signal);
    await catalog.namespaceExists(["x"], signal);
    const all = used(server);
    assert.equal(new Set(all).size, 2, "none is used twice");
  });

  test("a token that is refused is renewed once, and the request sent again", async () => {
    await using server = await tokens(3600, ({ headers }, response) => {
      if (headers.authorization === "Bearer token-1")
        reply(response, 401, { error: { message: "token-1 is revoked" } });
      else reply(response, 404, {});
    });
    assert.equal(await open(server.uri, OAUTH).namespaceExists(["x"], signal), false);
    assert.deepEqual(used(server), ["Bearer token-1", "Bearer token-2"]);
    await using strict = await tokens(3600, ({ headers }, response) =>
      reply(response, 401, { error: { message: `${headers.authorization} is bad` } }),
    );
    await assert.rejects(
      open(strict.uri, OAUTH).namespaceExists(["x"], signal),
      (error: { code?: string; message?: string }) => {
        assert.equal(error.code, "catalog.unauthorized");
        assert.match(error.message ?? "", /\[redacted\] is bad/);
        return true;
      },
    );
    assert.equal(used(strict).length, 2);
  });

  test("a client that is refused is named, and its secret isn't", async () => {
    await using server = await fake((_, response) =>
      reply(response, 400, { error: "invalid_client", error_description: "hush-hush is wrong" }),
    );
    await assert.rejects(open(server.uri, OAUTH).checkConfig(signal), (error: { code?: string; message?: string }) => {
      assert.equal(error.code, "catalog.unauthorized");
      assert.match(error.message ?? "", /client me: 400 invalid_client \[redacted\] is wrong/);
      return true;
    });
    await using busy = await fake((_, response) => reply(response, 503, {}));
    await assert.rejects(open(busy.uri, OAUTH).checkConfig(signal), { code: "catalog.unavailable", remedy: "retry" });
  });

  test("a bearer token that a catalog repeats doesn't reach the message", async () => {
    await using server = await catalogs((_, response) =>
      reply(response, 400, { error: { message: "bad token-of-mine!" } }),
    );
    await assert.rejects(
      open(server.uri, { type: "token", token: "token-of-mine" }).createNamespace(["x"], signal),
      /bad \[redacted\]!/,
    );
  });

  test("SigV4 signs the method, the path, the query and the body, with the session's token", async () => {
    await using server = await catalogs((_, response) => reply(response, 200, {}));
    const credentials = { accessKeyId: "AKID", secretAccessKey: "hush", sessionToken: "session" };
    await open(server.uri, { type: "sigv4", service: "glue", region: "eu-central-1", credentials }).createNamespace(
      ["x"],
      signal,
    );
    const { headers } = server.seen[1] ?? assert.fail();
    assert.match(
      headers.authorization ?? "",
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/glue\/aws4_request, SignedHeaders=.*host.*, Signature=[0-9a-f]{64}$/,
    );
    assert.equal(headers["x-amz-security-token"], "session");
  });
});

const server = await icebergServer();
suite("a real catalog, SeaweedFS", { skip: "skip" in server ? server.skip : false }, () => {
  if ("skip" in server) return;
  for (const way of ["oauth2", "sigv4"] as const) {
    test(`a table is created, committed to and dropped, signed in by ${way}`, async () => {
      const catalog = openCatalog(server.options(way));
      const id = { namespace: [`catalog_${randomUUID().slice(0, 8)}`], name: "t" };
      assert.equal(await catalog.namespaceExists(id.namespace, signal), false);
      assert.equal(await catalog.createNamespace(id.namespace, signal), "created");
      assert.equal(await catalog.createNamespace(id.namespace, signal), "exists");
      assert.equal(await catalog.namespaceExists(id.namespace, signal), true);
      assert.equal(await catalog.loadTable(id, signal), undefined);
      const column = { name: "team_id", type: "int64", nullable: false, privacy: "none", description: "x" } as const;
      const schema = newSchema([column], { key: ["team_id"], required: [] });
      const table = await catalog.createTable(id, { schema, properties: { mine: "1" } }, signal);
      assert.ok(table !== "exists");
      const property = (requirement: object): string =>
        commitBody(id, {
          requirements: [requirement],
          updates: [{ action: "set-properties", updates: { mine: "2" } }],
        });
      const wrong = await catalog.commit(id, property({ type: "assert-table-uuid", uuid: randomUUID() }), signal);
      assert.equal(wrong.answer, "unknown");
      const right = { type: "assert-table-uuid", uuid: table.metadata.uuid };
      assert.deepEqual(await catalog.commit(id, property(right), signal), { answer: "won" });
      assert.equal((await catalog.loadTable(id, signal))?.metadata.properties["mine"], "2");
      await catalog.dropTable(id, signal);
      await catalog.dropTable(id, signal);
      const gone = await catalog.commit(id, property(right), signal);
      assert.equal(gone.answer, "refused");
      await catalog.dropNamespace(id.namespace, signal);
    });
  }

  test("wrong keys are refused, and no keys at all", async () => {
    const { region, credentials, catalog: uri } = server.server;
    const wrong = { accessKeyId: credentials.accessKeyId, secretAccessKey: "wrong" };
    for (const [auth, code] of [
      [{ type: "none" }, "catalog.access_denied"],
      [{ type: "token", token: "no token of theirs" }, "catalog.unauthorized"],
      [{ type: "oauth2", clientId: "x", clientSecret: "y" }, "catalog.unauthorized"],
      [{ type: "sigv4", service: "s3tables", region, credentials: wrong }, "catalog.access_denied"],
    ] as const) {
      const catalog = openCatalog({ uri, warehouse: server.server.tableBucket, auth });
      await assert.rejects(catalog.namespaceExists(["x"], signal), { code, remedy: "give-up" });
    }
  });
});
