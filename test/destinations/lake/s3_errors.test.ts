/** What a lake on S3 says of what is wrong, and its check. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { ReplayportError } from "../../../src/errors.ts";
import { hours } from "../../conformance/batches.ts";
import { openTestLake, s3Options, unfinishedUploads } from "./harness.ts";
import { EVERYTHING, rejectsWith, row } from "../../conformance/context.ts";
import { type Fault, first, type ProxiedRequest } from "../../support/fault_proxy.ts";
import { isList, isManifest, openFixture, refusal, server, SIGNAL, skip } from "./s3_fixture.ts";

suite("lake on S3: check and errors", { skip }, () => {
  test("a server that ignores If-None-Match is refused", async () => {
    await using fixture = await openFixture();
    // What such a server answers to the second create.
    let creates = 0;
    fixture.proxy.decide((request) => {
      if (!isManifest(request)) return undefined;
      creates += 1;
      return creates === 2 ? { kind: "answer", status: 200, headers: { etag: '"x"' } } : undefined;
    });
    await using lake = fixture.open();
    const error = await rejectsWith("give-up", lake.check(SIGNAL));
    assert.equal(error.code, "lake.no_conditional_writes");
    assert.deepEqual(await fixture.keys(), []);
  });

  for (const [step, matches] of [
    ["writing a manifest", isManifest],
    ["reading it back", ({ method, path }: ProxiedRequest) => method === "GET" && path.includes("/_replayport/check-")],
    ["writing a data file", ({ path }: ProxiedRequest) => path.includes("uploads")],
    ["listing manifests", isList],
    ["removing what the check wrote", ({ path }: ProxiedRequest) => path.includes("delete")],
  ] as const) {
    test(`the check names the step that is not allowed: ${step}`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide(first(1, matches, refusal(403, "AccessDenied")));
      await using lake = fixture.open();
      const error = await rejectsWith("give-up", lake.check(SIGNAL));
      assert.match(error.message, new RegExp(`check failed while ${step}`));
      assert.match(error.hint ?? "", /Allow s3:\w+ on s3:\/\//);
      assert.deepEqual(await fixture.keys(), []);
      assert.deepEqual(await unfinishedUploads(fixture.server, fixture.bucket), []);
    });
  }

  test("a bucket that does not exist is named", async () => {
    await using lake = openTestLake(s3Options(server, "replayport-no-such-bucket"));
    for (const work of [() => lake.check(SIGNAL), () => Array.fromAsync(lake.covered(EVERYTHING, SIGNAL))]) {
      const error = await rejectsWith("give-up", work());
      assert.equal(error.code, "store.no_bucket");
      assert.match(error.hint ?? "", /replayport-no-such-bucket/);
    }
  });

  const listing: readonly [string, Fault, string, "retry" | "give-up", RegExp][] = [
    ["an unknown key", refusal(403, "InvalidAccessKeyId"), "store.bad_credentials", "give-up", /access key/],
    ["a wrong secret", refusal(403, "SignatureDoesNotMatch"), "store.bad_credentials", "give-up", /secret/],
    ["status 401", { kind: "answer", status: 401, body: "<html>" }, "store.bad_credentials", "give-up", /secret/],
    [
      "a body that was damaged",
      refusal(400, "XAmzContentSHA256Mismatch"),
      "store.unavailable",
      "retry",
      /damaged on its way/,
    ],
    ["an old session", refusal(400, "ExpiredToken"), "store.bad_credentials", "give-up", /expired/],
    [
      "another region, by its header",
      refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": "eu-west-1" }),
      "store.wrong_region",
      "give-up",
      /the region eu-west-1/,
    ],
    [
      "another region, by the answer's text",
      refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>"),
      "store.wrong_region",
      "give-up",
      /the region eu-central-1/,
    ],
    ["a wrong clock", refusal(403, "RequestTimeTooSkewed"), "store.clock", "give-up", /clock/],
    ["InternalError", refusal(500, "InternalError"), "store.unavailable", "retry", /./],
    ["SlowDown", refusal(503, "SlowDown"), "store.unavailable", "retry", /./],
    ["RequestTimeout", refusal(400, "RequestTimeout"), "store.unavailable", "retry", /./],
    [
      "a server that lacks something",
      refusal(501, "NotImplemented"),
      "store.not_supported",
      "give-up",
      /If-None-Match/,
    ],
    ["an answer that is no XML", { kind: "answer", status: 502, body: "<html>" }, "store.unavailable", "retry", /./],
    ["a broken line", { kind: "cut-request" }, "store.unreachable", "retry", /reach/],
  ];
  for (const [what, fault, code, remedy, hint] of listing) {
    test(`${what}: ${code}, ${remedy}`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide(() => fault);
      await using lake = fixture.open({ maxAttempts: 1 });
      const error = await rejectsWith(remedy, Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)));
      assert.equal(error.code, code, error.message);
      assert.match(error.hint ?? "", hint);
      const { secretAccessKey, accessKeyId } = fixture.server.credentials;
      const shown = `${error.message} ${error.hint} ${JSON.stringify(error)} ${String(error.cause)}`;
      assert.ok(!shown.includes(secretAccessKey) && !shown.includes(accessKeyId));
    });
  }

  test("an endpoint that nobody knows is named", async () => {
    await using lake = openTestLake({
      ...s3Options(server, "any"),
      endpoint: "http://replayport.invalid",
      maxAttempts: 1,
    });
    const error = await Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ReplayportError);
    // Machines without any name server say EAI_AGAIN in place of ENOTFOUND.
    assert.ok(["store.unknown_host", "store.unreachable"].includes(error.code), error.message);
    assert.match(error.hint ?? "", /replayport\.invalid/);
  });

  test("objects are encrypted as the options say, manifests too", async () => {
    await using fixture = await openFixture();
    await using lake = openTestLake({
      ...s3Options(fixture.server, fixture.bucket),
      encryption: { type: "aws:kms", key: "arn:aws:kms:us-east-1:123456789012:key/replays" },
    });
    await lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    for (const key of await fixture.keys()) {
      const Key = `${s3Options(fixture.server, fixture.bucket).prefix}/${key}`;
      const head = await fixture.server.client.send(new HeadObjectCommand({ Bucket: fixture.bucket, Key }));
      assert.equal(head.ServerSideEncryption, "aws:kms");
      assert.match(head.SSEKMSKeyId ?? "", /replays$/);
    }
  });

  test("a role is taken on, with its external id", async () => {
    await using fixture = await openFixture();
    const { AWS_ENDPOINT_URL_STS: before } = process.env;
    process.env["AWS_ENDPOINT_URL_STS"] = fixture.proxy.url;
    try {
      const options = s3Options(fixture.server, fixture.bucket);
      const assumeRole = { arn: "arn:aws:iam::123456789012:role/replays", externalId: "acme-17" };
      await using lake = openTestLake({ ...options, endpoint: fixture.proxy.url, assumeRole });
      await lake.check(SIGNAL);
      const assumed = fixture.proxy.requests.filter(({ method, path }) => method === "POST" && path === "/");
      assert.equal(assumed.length, 1);
      const used = fixture.proxy.requests.at(-1)?.headers["authorization"];
      assert.ok(typeof used === "string" && !used.includes(fixture.server.credentials.accessKeyId));
    } finally {
      if (before === undefined) delete process.env["AWS_ENDPOINT_URL_STS"];
      else process.env["AWS_ENDPOINT_URL_STS"] = before;
    }
  });
});
