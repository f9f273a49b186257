/** The client of a REST catalog, against a server that answers what a test says. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commitBody } from "../../../destinations/catalog/catalog.ts";
import { type Answer, catalogs, CONFIG, fake, open, reply } from "./fake_catalog.ts";

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

  test("a view is told from what isn't one, and from catalogs that know no views", async () => {
    const answers: [number, unknown, boolean][] = [
      [200, { "metadata-location": "s3://lake/v.json", metadata: { "view-uuid": "u", "format-version": 1 } }, true],
      [200, { metadata: METADATA }, false],
      [200, "<html>", false],
      [404, { error: { type: "NoSuchViewException" } }, false],
      [400, { error: { type: "UnsupportedOperationException" } }, false],
      [403, { error: { type: "ForbiddenException" } }, false],
    ];
    for (const [status, body, expected] of answers) {
      await using server = await catalogs((_, response) => reply(response, status, body));
      assert.equal(await open(server.uri).viewExists(ID, signal), expected);
      assert.equal(server.seen.at(-1)?.url, "/v1/catalogs/7/namespaces/a%1Fb%20c/views/t%2F1");
    }
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
        reply(response, status, status === 200 ? { metadata: {} } : error, {
          "retry-after": "7",
          location: "http://127.0.0.1:1/",
        });
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

  test("an answer may say null where it has nothing to say", async () => {
    const metadata = { ...METADATA, "current-snapshot-id": 7 };
    const answer = { "metadata-location": null, metadata, config: null, "storage-credentials": null };
    await using server = await catalogs((_, response) => reply(response, 200, answer));
    const loaded = await open(server.uri).loadTable(ID, signal);
    assert.equal(loaded?.metadataLocation, undefined);
    assert.deepEqual(loaded?.credentials, []);
    assert.equal((await open(server.uri).commit(ID, "{}", signal)).answer, "won");
    const some = { metadata, config: { "s3.region": "eu-west-1", "s3.endpoint": null } };
    await using other = await catalogs((_, response) => reply(response, 200, some));
    assert.equal((await open(other.uri).loadTable(ID, signal))?.config["s3.region"], "eu-west-1");
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
      (_, response) => reply(response, 200, {}),
      (_, response) => reply(response, 200, null),
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
