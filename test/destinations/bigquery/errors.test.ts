/** What each of BigQuery's errors becomes. Names are words that errors could be judged by, since users may choose them. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { bigqueryError, jobError, raised } from "../../../destinations/bigquery/errors.ts";
import { pacer } from "../../../destinations/bigquery/pace.ts";
import { tokenError } from "../../../destinations/bigquery/tokens.ts";
import { ReplayportError } from "../../../src/errors.ts";

const NAMES = [
  { project: "acme-data", dataset: "posthog", table: "sessions" },
  { project: "acme-data", dataset: "posthog_dataset", table: "dataset_of_sessions" },
  { project: "example.com:not-found-project", dataset: "Not_found_Dataset", table: "project_does_not_exist" },
  { project: "bigquery.jobs.get:invalid-grant", dataset: "ECONNRESET", table: "concurrent_update_policy_tag" },
  {
    project: "example.com:bigquery-tables",
    dataset: "invalid_grant_asn1_DECODER",
    table: "Could_not_serialize_access",
  },
] as const;

/** `P:D.T` of the text is the table, as Google writes it. */
const CASES: readonly (readonly [string, number | undefined, string, string, "retry" | "give-up", string, RegExp])[] = [
  ["a table is gone", 404, "notFound", "Not found: Table P:D.T", "retry", "bigquery.vanished", /./],
  [
    "a table is gone from a script",
    undefined,
    "invalidQuery",
    "Query error: Not found: Table P:D.T was not found in location EU at [3:1]",
    "retry",
    "bigquery.vanished",
    /./,
  ],
  [
    "a dataset is missing",
    404,
    "notFound",
    "Not found: Dataset P:D was not found in location US",
    "give-up",
    "bigquery.no_dataset",
    /CREATE SCHEMA `P`\.`D` /,
  ],
  ["a project is missing", 404, "notFound", "Not found: Project P", "give-up", "bigquery.no_project", /no project P,/],
  [
    "a permission is missing",
    403,
    "accessDenied",
    "Access Denied: Table P:D.T: Permission bigquery.tables.getData denied on table P:D.T (or it may not exist).",
    "give-up",
    "bigquery.access_denied",
    /^bigquery\.tables\.getData is missing: GRANT `roles\/bigquery\.dataEditor` ON SCHEMA `P`\.`D` TO .* If it exists at all/,
  ],
  [
    "jobs may not be made",
    403,
    "accessDenied",
    "Access Denied: Project P: User does not have bigquery.jobs.create permission in project P.",
    "give-up",
    "bigquery.access_denied",
    /^bigquery\.jobs\.create is missing: gcloud projects add-iam-policy-binding P /,
  ],
  [
    "a refusal names no permission",
    403,
    "accessDenied",
    "Access Denied: Table P:D.T: User does not have permission to query table P:D.T, or perhaps it does not exist.",
    "give-up",
    "bigquery.access_denied",
    /^bigquery\.tables\.updateData is missing: /,
  ],
  [
    "a perimeter",
    403,
    "policyViolation",
    "VPC Service Controls: Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x.",
    "give-up",
    "bigquery.perimeter",
    /ingress rule/,
  ],
  [
    "a perimeter without its reason",
    403,
    "accessDenied",
    "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x",
    "give-up",
    "bigquery.perimeter",
    /ingress rule/,
  ],
  [
    "policy tags",
    403,
    "accessDenied",
    'Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get permission to get data protected by policy tag "t : s" on column D.T.url.',
    "give-up",
    "bigquery.policy_tag",
    /categoryFineGrainedReader/,
  ],
  [
    "policy tags on columns that a statement reads",
    403,
    "accessDenied",
    "Access Denied: BigQuery BigQuery: Requires fineGrainedGet permission on the read columns to execute the DML statements",
    "give-up",
    "bigquery.policy_tag",
    /categoryFineGrainedReader/,
  ],
  [
    "row access policies",
    undefined,
    "accessDenied",
    "Access Denied: Table P:D.T: User does not have full access for table P:D.T due to row access policies.",
    "give-up",
    "bigquery.row_policy",
    /^Row access policies .* CREATE ROW ACCESS POLICY .* ON `P`\.`D`\.`T` .* FILTER USING \(TRUE\);/,
  ],
  [
    "an encryption key that is closed to BigQuery",
    403,
    "accessDenied",
    "Access Denied: BigQuery BigQuery: Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource 'projects/a/locations/eu/keyRings/T/cryptoKeys/D' (or it may not exist).",
    "give-up",
    "bigquery.encryption_key",
    /cryptoKeyEncrypterDecrypter/,
  ],
  [
    "too many statements wait",
    undefined,
    "resourcesExceeded",
    "Resources exceeded during query execution: Too many DML statements outstanding against table P:D.T, limit is 20.",
    "retry",
    "bigquery.rate_limit",
    /./,
  ],
  [
    "too many statements wait, from a script",
    undefined,
    "invalidQuery",
    "Query error: Too many DML statements outstanding against table P:D.T, limit is 20. at [7:1]",
    "retry",
    "bigquery.rate_limit",
    /./,
  ],
  [
    "a job is too large",
    undefined,
    "resourcesExceeded",
    "Resources exceeded during query execution: Not enough resources for query planning",
    "give-up",
    "bigquery.resources",
    /./,
  ],
  [
    "a transaction is cancelled",
    undefined,
    "invalidQuery",
    "Query error: Transaction is aborted due to concurrent update against table P:D.T. at [1:1]",
    "retry",
    "bigquery.conflict",
    /./,
  ],
  [
    "access is not serialized",
    undefined,
    "invalidQuery",
    "Could not serialize access to table P:D.T due to concurrent update",
    "retry",
    "bigquery.conflict",
    /./,
  ],
  [
    "rows are in the streaming buffer",
    undefined,
    "invalidQuery",
    "UPDATE or DELETE statement over table P.D.T would affect rows in the streaming buffer, which is not supported",
    "retry",
    "bigquery.streaming_buffer",
    /./,
  ],
  [
    "a partition filter",
    undefined,
    "invalidQuery",
    "Cannot query over table 'P.D.T' without a filter over column(s) 'day' that can be used for partition elimination",
    "give-up",
    "bigquery.partition_filter",
    /./,
  ],
  [
    "a syntax that it lacks",
    undefined,
    "invalidQuery",
    "Unrecognized name: T at [1:1]",
    "give-up",
    "bigquery.refused",
    /./,
  ],
  [
    "the free quota is used up",
    403,
    "quotaExceeded",
    "Quota exceeded: Your project exceeded quota for free query bytes scanned.",
    "give-up",
    "bigquery.billing",
    /Enable billing for the project P:/,
  ],
  [
    "a quota is used up",
    403,
    "quotaExceeded",
    "Quota exceeded: Your table exceeded quota for imports or query appends per table.",
    "retry",
    "bigquery.quota",
    /./,
  ],
  [
    "the project has no billing",
    403,
    "billingNotEnabled",
    "Billing has not been enabled for this project.",
    "give-up",
    "bigquery.billing",
    /P/,
  ],
  ["a kind of job is blocked for a time", 403, "blocked", "blocked", "retry", "bigquery.blocked", /./],
  [
    "the API is off",
    403,
    "accessNotConfigured",
    "BigQuery API has not been used in project 12 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/bigquery.googleapis.com/overview?project=12 then retry.",
    "give-up",
    "bigquery.api_disabled",
    /^gcloud services enable bigquery\.googleapis\.com --project=12$/,
  ],
  [
    "the project has never had the API",
    400,
    "invalid",
    "The project P has not enabled BigQuery.",
    "give-up",
    "bigquery.api_disabled",
    /^gcloud services enable bigquery\.googleapis\.com --project=P$/,
  ],
  ["a proxy asks who it is", 407, "", "no", "give-up", "bigquery.proxy", /HTTPS_PROXY/],
  ["something is not implemented", 501, "notImplemented", "no", "give-up", "bigquery.refused", /./],
  ["a server is overloaded", 503, "backendError", "no dataset", "retry", "bigquery.unavailable", /./],
  ["a gateway is away", 502, "", "dataset not found", "retry", "bigquery.unavailable", /./],
];

suite("bigquery: errors", () => {
  for (const [index, names] of NAMES.entries()) {
    const { project, dataset, table } = names;
    const filled = (text: string): string =>
      text.replaceAll(/\b[PDT]\b/g, (name) => ({ P: project, D: dataset, T: table })[name] ?? name);
    const request = {
      action: "bigquery.tables.updateData",
      resource: names,
      endpoint: undefined,
      principal: undefined,
    };
    test(`each is told by what it is, with the names of set ${index}`, () => {
      for (const [what, status, reason, text, remedy, code, hint] of CASES) {
        const message = filled(text);
        const errors = [{ reason, message }];
        const error =
          status === undefined
            ? jobError({ reason, message }, request)
            : bigqueryError(
                Object.assign(new Error(message), { code: status, ...(reason === "" ? {} : { errors }) }),
                request,
              );
        assert.ok(error instanceof ReplayportError);
        assert.deepEqual([error.remedy, error.code], [remedy, code], what);
        const wanted = new RegExp(hint.source.replaceAll(/\b[PDT]\b/g, (name) => escape(filled(name))));
        assert.match(error.hint ?? "", wanted, what);
      }
    });
  }

  test("with a billing project, roles for jobs are given there, and those for data where the data is", () => {
    const resource = { project: "acme-data", billing: "example.com:acme-jobs", dataset: "posthog" };
    const request = { action: "bigquery.jobs.create", resource, endpoint: undefined, principal: undefined };
    const hintOf = (message: string): string =>
      (bigqueryError(Object.assign(new Error(message), { code: 403 }), request) as ReplayportError).hint ?? "";
    assert.match(hintOf("Access Denied"), /add-iam-policy-binding example\.com:acme-jobs .*jobUser/);
    const denied = "Access Denied: Table acme-data:posthog.t: Permission bigquery.tables.updateData denied on table t";
    assert.match(hintOf(denied), /ON SCHEMA `acme-data`\.`posthog`/);
  });

  test("what a script raises is known by its beginning", () => {
    assert.equal(raised("Query error: replayport: another load has committed in between at [3:3]"), "tableMoved");
    assert.equal(raised("replayport: the table has more than one row of a session"), "doubled");
    assert.equal(raised("Not found: Table a:replayport: another load has committed in between"), undefined);
  });

  for (const code of ["SELF_SIGNED_CERT_IN_CHAIN", "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"]) {
    test(`the certificate fault ${code} doesn't pass by itself`, () => {
      const resource = { project: "acme-data", dataset: "posthog" };
      const request = { action: "bigquery.datasets.get", resource, endpoint: undefined, principal: undefined };
      const error = bigqueryError(Object.assign(new Error("no"), { code }), request) as ReplayportError;
      assert.deepEqual([error.remedy, error.code], ["give-up", "bigquery.tls"]);
      assert.match(error.hint ?? "", /bigquery\.googleapis\.com.*NODE_EXTRA_CA_CERTS/);
    });
  }

  for (const [what, error, remedy, code, hint] of [
    [
      "a certificate that isn't trusted",
      { code: "SELF_SIGNED_CERT_IN_CHAIN" },
      "give-up",
      "bigquery.tls",
      /oauth2\.googleapis\.com/,
    ],
    [
      "a host that can't be reached",
      { code: "ENOTFOUND", config: { url: "https://sts.googleapis.com/v1/token" } },
      "retry",
      "bigquery.unreachable",
      /sts\.googleapis\.com/,
    ],
    [
      "a host that can't be reached, below",
      { cause: { code: "ECONNREFUSED" } },
      "retry",
      "bigquery.unreachable",
      /oauth2\.googleapis\.com/,
    ],
    ["a server that is away", { status: 503 }, "retry", "bigquery.unavailable", /oauth2/],
    [
      "a key that Google doesn't know",
      { status: 400, code: "400" },
      "give-up",
      "bigquery.bad_credentials",
      /not deleted/,
    ],
    ["a file that isn't there", { code: "ENOENT" }, "give-up", "bigquery.bad_credentials", /complete/],
  ] as const) {
    test(`no token, because of ${what}`, () => {
      const told = tokenError(Object.assign(new Error("no"), error));
      assert.deepEqual([told.remedy, told.code], [remedy, code]);
      assert.match(told.hint ?? "", hint);
    });
  }

  test("a table is updated five times in ten seconds, and no more", async () => {
    let now = 0;
    const waits: number[] = [];
    const pace = pacer(
      (ms) => {
        waits.push(ms);
        now += ms;
        return Promise.resolve();
      },
      () => now,
    );
    for (let update = 0; update < 7; update += 1) {
      await pace(AbortSignal.timeout(1000));
      now += 100;
    }
    assert.deepEqual(waits, [9500]);
  });
});

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
