/** A lake on servers that speak S3's protocol in their own way: buckets elsewhere, missing requests, refused headers. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { S3Encryption } from "../../../destinations/store/s3_options.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import { hours } from "../../conformance/batches.ts";
import { EVERYTHING, rejectsWith, row } from "../../conformance/context.ts";
import type { ProxiedRequest } from "../../support/fault_proxy.ts";
import { openTestLake, s3Options, unfinishedUploads } from "./harness.ts";
import { isList, openFixture, refusal, SIGNAL, skip, type Fixture } from "./s3_fixture.ts";

const isDeleteMany = ({ method, path }: ProxiedRequest): boolean => method === "POST" && /\?delete\b/.test(path);
const regionOf = ({ headers }: ProxiedRequest): string | undefined =>
  /Credential=[^/]+\/\d+\/([^/]+)\//.exec(String(headers["authorization"]))?.[1];

/** Loads an hour twice, so that files are replaced and removed. */
async function loadTwice({ batches }: Fixture, lake: ReturnType<Fixture["open"]>): Promise<void> {
  for (const version of [1, 2]) await lake.load(await batches.batch(hours(0), [[row("a", version)]]), SIGNAL);
}

suite("lake on S3: servers of all kinds", { skip }, () => {
  for (const [what, fault] of [
    ["moved (301)", refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": "eu-west-1" })],
    ["moved for now (307)", refusal(307, "TemporaryRedirect", "", { "x-amz-bucket-region": "eu-west-1" })],
    ["signed for another region (400)", refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")],
  ] as const) {
    test(`a bucket that is ${what} is found in its region, and asked there from then on`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide((request) => (regionOf(request) === "eu-west-1" ? undefined : fault));
      await using lake = fixture.open({ maxAttempts: 1 });
      await loadTwice(fixture, lake);
      assert.equal((await Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL))).length, 1);
      const lost = fixture.proxy.requests.filter((request) => regionOf(request) !== "eu-west-1");
      assert.equal(lost.length, 1);
    });
  }

  test("a bucket that each region says is in another one is an error, not a loop", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide((request) => {
      const region = regionOf(request) === "eu-west-1" ? "us-west-2" : "eu-west-1";
      return refusal(301, "PermanentRedirect", "", { "x-amz-bucket-region": region });
    });
    await using lake = fixture.open({ maxAttempts: 1 });
    const error = await rejectsWith("give-up", Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)));
    assert.equal(error.code, "store.wrong_region");
  });

  for (const [what, next] of [
    ["without saying where", ""],
    ["at the same place for ever", "<NextContinuationToken>a</NextContinuationToken>"],
  ] as const) {
    test(`a list that goes on ${what} is an error, not the end of the list, and not a loop`, async () => {
      await using fixture = await openFixture();
      const body = `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated>${next}</ListBucketResult>`;
      fixture.proxy.decide((request) => (isList(request) ? { kind: "answer", status: 200, body } : undefined));
      await using lake = fixture.open({ maxAttempts: 1 });
      const error = await rejectsWith("retry", Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)));
      assert.equal(error.code, "store.broken_listing");
    });
  }

  const page = "<html><head><title>Sign in</title></head><body>Welcome to the guest network</body></html>";
  for (const [what, status, body] of [
    ["a sign-in page", 200, page],
    ["a proxy's page", 203, page],
    ["JSON", 200, "{}"],
    ["nothing", 200, ""],
    ["no content", 204, ""],
  ] as const) {
    test(`success with ${what} in it is no answer of S3: not an empty lake, not a written or a read object`, async () => {
      await using fixture = await openFixture();
      await using lake = fixture.open({ maxAttempts: 1 });
      await loadTwice(fixture, lake);
      const before = await fixture.keys();
      const fault = { kind: "answer", status, body } as const;
      const load = async (): Promise<unknown> =>
        await lake.load(await fixture.batches.batch(hours(1), [[row("b", 1)]]), SIGNAL);
      for (const method of ["GET", "PUT", "POST"]) {
        fixture.proxy.decide((request) => (request.method === method ? fault : undefined));
        const error = await rejectsWith("retry", load());
        assert.match(error.code, /^(store\.|load\.commit_unknown)/, `${method}: ${error.message}`);
      }
      fixture.proxy.decide(() => fault);
      const store = new S3Store({ ...s3Options(fixture.server, fixture.bucket), endpoint: fixture.proxy.url });
      for (const ask of [
        () => Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)),
        () => Array.fromAsync(store.list("", SIGNAL)),
        () => store.unfinished("", SIGNAL),
        () => store.read("any", SIGNAL),
        () => store.put("any", "text", new Date(), SIGNAL),
        () => store.createExclusive("any", "text", new Date(), SIGNAL),
      ]) {
        const error = await rejectsWith("retry", ask());
        assert.equal(error.code, "store.foreign_answer", error.message);
        assert.match(error.hint ?? "", /proxy/);
      }
      fixture.proxy.decide(() => undefined);
      assert.deepEqual((await fixture.keys()).sort(), before.sort());
      await load();
      assert.equal((await Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL))).length, 2);
    });
  }

  for (const [status, hint] of [
    [302, /proxy/],
    [407, /proxy.*credentials/],
    [413, /proxy/],
    [418, /proxy/],
    [431, /proxy/],
    [451, /proxy/],
  ] as const) {
    test(`a page with status ${status} is told as a proxy's, not as a refusal by S3`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide(() => ({
        kind: "answer",
        status,
        body: page,
        headers: { location: "http://127.0.0.1:1/" },
      }));
      await using lake = fixture.open({ maxAttempts: 1 });
      const error = await rejectsWith("give-up", Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)));
      assert.equal(error.code, "store.refused");
      assert.match(error.message, new RegExp(String(status)));
      assert.match(error.hint ?? "", hint);
    });
  }

  test("a redirect that names no region passes by itself", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide(() => refusal(307, "TemporaryRedirect"));
    await using lake = fixture.open({ maxAttempts: 1 });
    const error = await rejectsWith("retry", Array.fromAsync(lake.covered(EVERYTHING, SIGNAL)));
    assert.equal(error.code, "store.unavailable");
  });

  for (const [status, code] of [
    [400, "MissingContentMD5"],
    [400, "InvalidRequest"],
    [405, "MethodNotAllowed"],
    [404, "NotFound"],
    [411, "MissingContentLength"],
    [501, "NotImplemented"],
  ] as const) {
    test(`where DeleteObjects is refused (${status} ${code}), objects are deleted one by one`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide((request) => (isDeleteMany(request) ? refusal(status, code) : undefined));
      await using lake = fixture.open({ maxAttempts: 1 });
      await lake.check(SIGNAL);
      assert.deepEqual(await fixture.keys(), []);
      await loadTwice(fixture, lake);
      // The second load's own; those of the first are gone.
      assert.equal((await fixture.keys()).filter((key) => key.endsWith(".parquet")).length, 1);
      assert.equal(fixture.proxy.requests.filter(isDeleteMany).length, 1);
    });
  }

  test("a delete that is not allowed is an error, whether of many or of one", async () => {
    for (const many of [refusal(403, "AccessDenied"), refusal(501, "NotImplemented")]) {
      await using fixture = await openFixture();
      fixture.proxy.decide((request) => {
        if (isDeleteMany(request)) return many;
        return request.method === "DELETE" && !request.path.includes("uploadId")
          ? refusal(403, "AccessDenied")
          : undefined;
      });
      await using lake = fixture.open({ maxAttempts: 1 });
      const error = await rejectsWith("give-up", lake.check(SIGNAL));
      assert.equal(error.code, "store.access_denied");
      assert.match(error.hint ?? "", /s3:DeleteObject/);
    }
  });

  for (const [what, fault, hint] of [
    [
      "the header of a checksum",
      refusal(501, "NotImplemented", "<Header>x-amz-checksum-crc32</Header>"),
      /x-amz-checksum-crc32.*`checksums: false`/,
    ],
    ["a trailer, in its message", refusal(400, "InvalidArgument", "x-amz-trailer"), /`encryption`|`checksums`/],
    [
      "the type of encryption",
      refusal(400, "InvalidArgument", "<ArgumentName>x-amz-server-side-encryption</ArgumentName>"),
      /x-amz-server-side-encryption.*Remove `encryption`/,
    ],
    [
      "the condition of a write",
      refusal(501, "NotImplemented", "<Header>If-None-Match</Header>"),
      /if-none-match.*conditional writes/,
    ],
  ] as const) {
    test(`a server that refuses ${what} is told by its name`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide(({ method }) => (method === "PUT" ? fault : undefined));
      await using lake = fixture.open({ maxAttempts: 1 });
      const error = await rejectsWith("give-up", lake.check(SIGNAL));
      assert.match(error.hint ?? "", hint);
    });
  }

  const key = "arn:aws:kms:us-east-1:123456789012:key/replays";
  const encryptions: readonly [string, S3Encryption, Record<string, string>][] = [
    ["AES256", { type: "AES256" }, {}],
    ["KMS", { type: "aws:kms" }, { "x-amz-server-side-encryption": "AES256" }],
    [
      "another key",
      { type: "aws:kms", key },
      {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:123456789012:key/other",
      },
    ],
  ];
  for (const [what, encryption, headers] of encryptions) {
    test(`a server that ignores what encryption asks for is told before a load can commit: ${what}`, async () => {
      await using fixture = await openFixture();
      fixture.proxy.decide(({ path }) =>
        /\?uploads/.test(path)
          ? {
              kind: "change",
              headers: (given) => {
                const kept = Object.entries(given).filter(([name]) => !name.startsWith("x-amz-server-side"));
                return { ...Object.fromEntries(kept), ...headers };
              },
            }
          : undefined,
      );
      const options = { ...s3Options(fixture.server, fixture.bucket), endpoint: fixture.proxy.url, encryption };
      await using lake = openTestLake(options);
      const checked = await rejectsWith("give-up", lake.check(SIGNAL));
      assert.equal(checked.code, "store.not_encrypted");
      const batch = await fixture.batches.batch(hours(0), [[row("a", 1)]]);
      const loaded = await rejectsWith("give-up", lake.load(batch, SIGNAL));
      assert.equal(loaded.code, "store.not_encrypted");
      assert.deepEqual(
        (await fixture.keys()).filter((one) => !one.endsWith("owner.json")),
        [],
      );
      assert.deepEqual(await unfinishedUploads(fixture.server, fixture.bucket), []);
    });
  }

  test("checksums are left out where the config or the SDK's environment says so", async () => {
    const hasChecksum = ({ headers }: ProxiedRequest): boolean =>
      Object.keys(headers).some((name) => /^x-amz-(checksum|sdk-checksum|trailer)/.test(name));
    const name = "AWS_REQUEST_CHECKSUM_CALCULATION";
    for (const [environment, checksums, expected] of [
      [undefined, undefined, true],
      [undefined, false, false],
      ["WHEN_REQUIRED", undefined, false],
      ["WHEN_REQUIRED", true, true],
    ] as const) {
      await using fixture = await openFixture();
      if (environment !== undefined) process.env[name] = environment;
      try {
        const options = s3Options(fixture.server, fixture.bucket);
        const more = checksums === undefined ? {} : { checksums };
        await using lake = openTestLake({ ...options, endpoint: fixture.proxy.url, ...more });
        await loadTwice(fixture, lake);
      } finally {
        delete process.env[name];
      }
      const puts = fixture.proxy.requests.filter(({ method }) => method === "PUT");
      assert.equal(puts.some(hasChecksum), expected, `${environment} ${checksums}`);
    }
  });
});
