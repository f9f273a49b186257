/**
 * Ways to sign in, with Google's own library. What it asks of Google it asks here of servers that stand in for
 * oauth2.googleapis.com and for the metadata server of a machine in Google's cloud; google_accounts.ts says how.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { impersonated } from "../../../destinations/bigquery/impersonation.ts";
import { bigqueryError } from "../../../destinations/bigquery/errors.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { rejection, rejectsWith } from "../../conformance/context.ts";
import { bigqueryOptions, openTestBigQuery } from "./harness.ts";
import { freePort } from "../../support/server_process.ts";
import { accountsSkip, type GoogleAccounts, openGoogleAccounts } from "./google_accounts.ts";
import type { BigQueryCredentials } from "../../../destinations/bigquery/index.ts";

const ACCOUNT = "loader@acme-data.iam.gserviceaccount.com";
const TARGET = "replayport@acme-data.iam.gserviceaccount.com";
const SCOPE = "https://www.googleapis.com/auth/bigquery";

function keyOf(privateKey: string): string {
  return JSON.stringify({
    type: "service_account",
    client_email: ACCOUNT,
    private_key: privateKey,
    private_key_id: "key-1",
    token_uri: "https://oauth2.googleapis.com/token",
  });
}

// Before the first suite: Node.js takes the tests for ended if it has run those that there are while this is awaited.
const skip = await accountsSkip();

suite("bigquery: credentials that cannot be", () => {
  const signal = AbortSignal.timeout(60_000);
  const checkWith = async (credentials: BigQueryCredentials): Promise<ReplayportError> => {
    const options = bigqueryOptions({ url: "http://127.0.0.1:1" }, "any");
    await using destination = openTestBigQuery({ ...options, credentials, maxAttempts: 1 });
    return await rejectsWith("give-up", destination.check(signal));
  };

  for (const [what, credentials, message] of [
    ["a key that is not JSON", { type: "key", json: "-----BEGIN" }, /is not JSON$/],
    ["a user's credentials", { type: "key", json: '{"type":"authorized_user"}' }, /but of type "authorized_user"$/],
    ["a key without a key", { type: "key", json: '{"type":"service_account"}' }, /lacks client_email or private_key$/],
    [
      "a file that is not there",
      { type: "key_file", path: "/nowhere/key.json" },
      /can't read the service account's key: ENOENT/,
    ],
    ["a key that is cut off", { type: "key", json: keyOf("-----BEGIN PRIVATE KEY-----\nMIIE\n") }, /DECODER|asn1/],
  ] as const satisfies readonly (readonly [string, BigQueryCredentials, RegExp])[]) {
    test(what, async () => {
      const error = await checkWith(credentials);
      assert.equal(error.code, "bigquery.bad_credentials");
      assert.match(error.message, message);
      assert.ok(error.hint !== undefined);
      assert.doesNotMatch(JSON.stringify(error), /MIIE|BEGIN/);
    });
  }
});

suite("bigquery: impersonation", () => {
  let accounts: GoogleAccounts;
  before(async () => {
    accounts = await openGoogleAccounts({ tls: false });
  });
  after(() => accounts[Symbol.asyncDispose]());

  const source = {
    getRequestHeaders: () => Promise.resolve(new Headers({ authorization: "Bearer of-the-source" })),
  };
  const header = async (client: { getRequestHeaders(): Promise<Headers> }): Promise<string | null> =>
    (await client.getRequestHeaders()).get("authorization");

  test("a token is asked for once, kept until shortly before its end, and renewed", async () => {
    let now = Date.UTC(2026, 9, 1);
    accounts.now = () => now;
    const client = impersonated(
      source,
      { serviceAccount: TARGET, delegates: [ACCOUNT] },
      SCOPE,
      () => now,
      accounts.plainUrl,
    );
    assert.deepEqual(await Promise.all([header(client), header(client)]), [
      `Bearer token-1-of-${TARGET}`,
      `Bearer token-1-of-${TARGET}`,
    ]);
    now += 54 * 60_000;
    assert.equal(await header(client), `Bearer token-1-of-${TARGET}`);
    now += 2 * 60_000;
    assert.equal(await header(client), `Bearer token-2-of-${TARGET}`);
    assert.deepEqual(accounts.impersonations, [
      {
        of: TARGET,
        by: "Bearer of-the-source",
        scope: [SCOPE],
        lifetime: "3600s",
        delegates: [`projects/-/serviceAccounts/${ACCOUNT}`],
      },
      {
        of: TARGET,
        by: "Bearer of-the-source",
        scope: [SCOPE],
        lifetime: "3600s",
        delegates: [`projects/-/serviceAccounts/${ACCOUNT}`],
      },
    ]);
  });

  test("where it cannot be asked now, it is asked again later", async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const client = impersonated(source, { serviceAccount: TARGET }, SCOPE, Date.now, nobody);
    const request = {
      action: "",
      resource: { project: "acme-data", dataset: "posthog" },
      endpoint: undefined,
      principal: TARGET,
    };
    const error = bigqueryError(await rejection(header(client)), request);
    assert.ok(error instanceof ReplayportError);
    assert.deepEqual([error.code, error.remedy], ["bigquery.unreachable", "retry"]);
    assert.match(error.message, new RegExp(`unable to impersonate .* by ${nobody}: .*ECONNREFUSED`));
  });

  for (const [what, status, message, code, hint] of [
    [
      "without the grant",
      403,
      "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
      "bigquery.access_denied",
      new RegExp(
        `^iam\\.serviceAccounts\\.getAccessToken is missing: gcloud iam service-accounts add-iam-policy-binding ${TARGET} .*serviceAccountTokenCreator`,
      ),
    ],
    [
      "without the API",
      403,
      "IAM Service Account Credentials API has not been used in project 12 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/iamcredentials.googleapis.com/overview?project=12",
      "bigquery.api_disabled",
      /^gcloud services enable iamcredentials\.googleapis\.com --project=12$/,
    ],
    ["by a token that is refused", 401, "no", "bigquery.bad_credentials", /renew the credentials/],
    ["through an odd address", 400, "Invalid form of account ID", "bigquery.bad_credentials", /under `impersonate`/],
    ["of nobody", 404, "Unknown service account", "bigquery.bad_credentials", /no such service account/],
  ] as const) {
    test(`${what}: the remedy is named`, async () => {
      accounts.refuse = { status, message };
      try {
        const client = impersonated(source, { serviceAccount: TARGET }, SCOPE, Date.now, accounts.plainUrl);
        const request = {
          action: "bigquery.datasets.get",
          resource: { project: "acme-data", dataset: "posthog" },
          endpoint: undefined,
          principal: TARGET,
        };
        const error = bigqueryError(await rejection(header(client)), request);
        assert.ok(error instanceof ReplayportError);
        assert.deepEqual([error.code, error.remedy], [code, "give-up"]);
        assert.match(error.hint ?? "", hint);
      } finally {
        accounts.refuse = undefined;
      }
    });
  }
});

suite("bigquery: signing in", { skip }, () => {
  let accounts: GoogleAccounts;
  let folder: string;
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  before(async () => {
    accounts = await openGoogleAccounts({ tls: true, publicKey });
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    await writeFile(join(folder, "key.json"), keyOf(privateKey));
  });
  after(async () => {
    await accounts[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [what, config, env, expected] of [
    ["a key in a file", { credentials: { type: "key_file", path: "key.json" } }, {}, `token-of-${ACCOUNT}`],
    ["a key in the config", { credentials: { type: "key", json: keyOf(privateKey) } }, {}, `token-of-${ACCOUNT}`],
    [
      "a key whose line breaks were escaped twice",
      { credentials: { type: "key", json: keyOf(privateKey.replaceAll("\n", String.raw`\n`)) } },
      {},
      `token-of-${ACCOUNT}`,
    ],
    [
      "a key whose line breaks were escaped three times",
      { credentials: { type: "key", json: keyOf(privateKey.replaceAll("\n", String.raw`\\r\\n`)) } },
      {},
      `token-of-${ACCOUNT}`,
    ],
    [
      "application default credentials: a key's file",
      {},
      { GOOGLE_APPLICATION_CREDENTIALS: "key.json" },
      `token-of-${ACCOUNT}`,
    ],
    ["application default credentials: the machine's account", {}, { MACHINE: "1" }, "token-of-the-machine"],
    [
      "impersonation by a key",
      { credentials: { type: "key_file", path: "key.json" }, impersonate: { serviceAccount: TARGET } },
      {},
      `token-1-of-${TARGET}`,
    ],
  ] as const) {
    test(`${what}: its token goes with every request, uploads too`, async () => {
      const { tokens, stderr } = await accounts.check(config, env, folder);
      assert.deepEqual(tokens, [`Bearer ${expected}`]);
      assert.equal(stderr, "", "the library warns of nothing");
    });
  }

  test("no credentials at all: the error says where they are looked for", async () => {
    const { error } = await accounts.check({}, {}, folder);
    assert.equal(error?.code, "bigquery.no_credentials");
    assert.match(error?.hint ?? "", /GOOGLE_APPLICATION_CREDENTIALS/);
  });

  test("a key that Google does not know: the error says what to check", async () => {
    const other = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const { error } = await accounts.check({ credentials: { type: "key", json: keyOf(other.privateKey) } }, {}, folder);
    assert.equal(error?.code, "bigquery.bad_credentials");
    assert.match(error?.hint ?? "", /key is complete and not deleted/);
  });
});
