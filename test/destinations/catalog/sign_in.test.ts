/** The ways to sign in to a catalog: against a server that answers what a test says, and SeaweedFS, which checks what it's sent. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { suite, test } from "node:test";
import { commitBody, openCatalog } from "../../../destinations/catalog/catalog.ts";
import { newSchema } from "../../../destinations/table_format/schema.ts";
import { icebergServer } from "../../support/iceberg.ts";
import { type Answer, catalogs, fake, type FakeCatalog, open, reply } from "./fake_catalog.ts";

const signal = AbortSignal.timeout(120_000);
const seaweedfs = await icebergServer();

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

suite("a real catalog, SeaweedFS", { skip: "skip" in seaweedfs ? seaweedfs.skip : false }, () => {
  if ("skip" in seaweedfs) return;
  for (const way of ["oauth2", "sigv4"] as const) {
    test(`a table is created, committed to and dropped, signed in by ${way}`, async () => {
      const catalog = openCatalog(seaweedfs.options(way));
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
    const { region, credentials, catalog: uri } = seaweedfs.server;
    const wrong = { accessKeyId: credentials.accessKeyId, secretAccessKey: "wrong" };
    for (const [auth, code] of [
      [{ type: "none" }, "catalog.access_denied"],
      [{ type: "token", token: "no token of theirs" }, "catalog.unauthorized"],
      [{ type: "oauth2", clientId: "x", clientSecret: "y" }, "catalog.unauthorized"],
      [{ type: "sigv4", service: "s3tables", region, credentials: wrong }, "catalog.access_denied"],
    ] as const) {
      const catalog = openCatalog({ uri, warehouse: seaweedfs.server.tableBucket, auth });
      await assert.rejects(catalog.namespaceExists(["x"], signal), { code, remedy: "give-up" });
    }
  });
});
