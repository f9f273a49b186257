/** What each of Snowflake's codes becomes: remedy, hint, and nothing secret. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { addressOf, errorContext } from "../../../destinations/snowflake/client.ts";
import { type DriverError, snowflakeError } from "../../../destinations/snowflake/errors.ts";
import type { SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import type { Statement } from "../../../destinations/snowflake/statement.ts";

const OPTIONS: SnowflakeOptions = {
  type: "snowflake",
  account: "acme-analytics",
  username: "LOADER",
  auth: { type: "password", password: "hunter2-hunter2" },
  role: "loading",
  warehouse: "wh",
  database: "db",
  schema: "s",
  table: "t",
};

const STATEMENT: Statement = {
  sql: "MERGE …",
  doing: 'merging into "DB"."S"."T"',
  grants: ['SELECT, INSERT, UPDATE, DELETE ON TABLE "DB"."S"."T"'],
};

const mapped = (error: DriverError, options = OPTIONS) =>
  snowflakeError(Object.assign(new Error(error.message ?? "no"), error), STATEMENT, errorContext(options));

suite("Snowflake: errors", () => {
  for (const [code, remedy, name, hint] of [
    ["390100", "give-up", "snowflake.login", /account \(acme-analytics\), username \(LOADER\) and password/],
    ["390144", "give-up", "snowflake.login", /ALTER USER LOADER SET RSA_PUBLIC_KEY/],
    ["390189", "give-up", "snowflake.role", /GRANT ROLE "LOADING" TO USER LOADER;/],
    ["390114", "retry", "snowflake.session_lost", /another one/],
    ["390195", "retry", "snowflake.session_lost", /another one/],
    ["390111", "retry", "snowflake.session_lost", /another one/],
    ["390318", "give-up", "snowflake.token_expired", /oauth_token_file/],
    ["390422", "give-up", "snowflake.network_policy", /ALLOWED_IP_LIST/],
    ["000606", "give-up", "snowflake.warehouse", /GRANT USAGE ON WAREHOUSE "WH" TO ROLE "LOADING";/],
    ["000607", "retry", "snowflake.warehouse_suspended", /AUTO_RESUME = TRUE/],
    ["090073", "retry", "snowflake.quota", /resource monitor/],
    [
      "003001",
      "give-up",
      "snowflake.access_denied",
      /^GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "DB"."S"."T" TO ROLE "LOADING";$/,
    ],
    ["002003", "give-up", "snowflake.missing", /GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE/],
    ["000604", "retry", "snowflake.cancelled", /cancelled/],
    ["000630", "retry", "snowflake.timeout", /statement_timeout/],
    ["000625", "retry", "snowflake.lock", /Nothing was changed/],
    ["000603", "retry", "snowflake.internal", /internal error/],
    ["091016", "retry", "snowflake.staged_file", /stage/],
    ["100038", "retry", "snowflake.failed", /later/],
  ] as const) {
    test(`${code} is ${name}`, () => {
      const error = mapped({ code });
      assert.deepEqual([error.remedy, error.code], [remedy, name]);
      assert.match(error.hint ?? "", hint);
      assert.match(error.message, new RegExp(`^merging into "DB"."S"."T" failed: no \\(${code}\\)$`));
    });
  }

  for (const [error, remedy, name] of [
    [{ code: 401001, cause: { code: "ECONNREFUSED" } }, "retry", "snowflake.unreachable"],
    [{ code: 401001, cause: { code: "ENOTFOUND" } }, "give-up", "snowflake.unknown_host"],
    [{ code: 401002, response: { statusCode: 403 } }, "give-up", "snowflake.account"],
    [{ code: 401002, response: { statusCode: 503 } }, "retry", "snowflake.unavailable"],
    [{ code: 401002, response: { statusCode: 407 } }, "give-up", "snowflake.proxy"],
    [{ code: 401001, cause: { code: "SELF_SIGNED_CERT_IN_CHAIN" } }, "give-up", "snowflake.tls"],
    [{ code: 401001, cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } }, "give-up", "snowflake.tls"],
    [{ code: 402001, cause: { code: "CERT_HAS_EXPIRED" } }, "give-up", "snowflake.tls"],
    [{ code: 407002 }, "retry", "snowflake.session_lost"],
    [{ code: 404008 }, "give-up", "snowflake.options"],
    [{ code: "100038", sqlState: "22018" }, "give-up", "snowflake.data"],
    [{ code: "999999", sqlState: "42501" }, "give-up", "snowflake.access_denied"],
    [{ code: "999999", sqlState: "42601" }, "give-up", "snowflake.refused"],
    [{ code: "999999", sqlState: "57014" }, "retry", "snowflake.failed"],
    [{}, "retry", "snowflake.failed"],
  ] as const) {
    test(`${JSON.stringify(error)} is ${name}`, () => {
      const { remedy: got, code } = mapped(error);
      assert.deepEqual([got, code], [remedy, name]);
    });
  }

  test("an account that is suspended is final, whatever the code", () => {
    const ended = "Your free trial has ended and all of your virtual warehouses have been suspended.";
    assert.equal(mapped({ code: "000666", sqlState: "57014", message: "no" }).code, "snowflake.suspended");
    assert.equal(mapped({ code: "390913", message: ended }).code, "snowflake.suspended");
    assert.equal(mapped({ code: "000606", message: `Table 'Your free trial has ended'` }).code, "snowflake.warehouse");
  });

  for (const [code, message, name, hint] of [
    [
      "390197",
      "Multi-factor authentication is required for this account. Log in to Snowsight to enroll.",
      "snowflake.second_factor",
      /TYPE = SERVICE.*private_key/,
    ],
    [
      "394508",
      "Failed to authenticate: MFA with TOTP is required. To authenticate, provide both your password and a current TOTP passcode.",
      "snowflake.second_factor",
      /private_key/,
    ],
    [
      "390186",
      "Role 'LOADING' specified in the connect string is not granted to this user.",
      "snowflake.role",
      /GRANT ROLE "LOADING" TO USER LOADER;/,
    ],
    [
      "390317",
      "The role requested in the connection or the default role if none was requested in the connection ('LOADING') is not listed in the Access Token or was filtered.",
      "snowflake.role",
      /token/,
    ],
    [
      "390999",
      "User's configured default role 'LOADING' is not granted to this user.",
      "snowflake.role",
      /GRANT ROLE "LOADING" TO USER LOADER;/,
    ],
    [
      "390201",
      "The requested warehouse does not exist or not authorized.",
      "snowflake.warehouse",
      /GRANT USAGE ON WAREHOUSE "WH" TO ROLE "LOADING";/,
    ],
    ["390999", "The user named 'MFA with TOTP is required' or 'Role ' is unknown.", "snowflake.login", /Check account/],
  ] as const) {
    test(`a login refused with "${message}" is ${name}`, () => {
      const error = mapped({ code, message });
      assert.deepEqual([error.remedy, error.code], ["give-up", name]);
      assert.match(error.hint ?? "", hint);
    });
  }

  for (const [what, message, remedy, name] of [
    [
      "closed to Snowflake",
      "Failure using stage area. Cause: [Access Denied (Status Code: 403; Error Code: AccessDenied)]",
      "give-up",
      "snowflake.stage_access",
    ],
    [
      "missing",
      "SQL compilation error:\nFailure using stage area. Cause: [The specified bucket does not exist (Status Code: 404; Error Code: NoSuchBucket)]",
      "give-up",
      "snowflake.stage_access",
    ],
    [
      "busy",
      "Failure using stage area. Cause: [Please reduce your request rate. (Status Code: 503; Error Code: SlowDown)]",
      "retry",
      "snowflake.failed",
    ],
    [
      "closed by the role's trust",
      "SQL execution error: Error assuming AWS_ROLE:\nUser: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole",
      "give-up",
      "snowflake.stage_access",
    ],
  ] as const) {
    test(`an external stage whose bucket is ${what} is ${name}`, () => {
      const error = mapped({ code: "091003", sqlState: "55000", message });
      assert.deepEqual([error.remedy, error.code], [remedy, name]);
    });
  }

  test("a statement that can't run on a view gets no grant that can't help", () => {
    const error = mapped({ code: "002200", sqlState: "42601", message: "SQL compilation error: T is a view" });
    assert.equal(error.code, "snowflake.refused");
    assert.doesNotMatch(error.hint ?? "", /GRANT/);
    assert.match(error.hint ?? "", /view/);
  });

  test("a name with the word warehouse is no warehouse", () => {
    const message = "SQL compilation error: Object 'WAREHOUSE (warehouse) T' does not exist.";
    assert.equal(mapped({ code: "002043", message }).code, "snowflake.missing");
  });

  for (const [account, host] of [
    ["acme-analytics", "acme-analytics.snowflakecomputing.com"],
    ["xy12345.eu-central-1", "xy12345.eu-central-1.snowflakecomputing.com"],
    ["xy12345.us-west-2", "xy12345.snowflakecomputing.com"],
    ["xy12345.US-WEST-2", "xy12345.snowflakecomputing.com"],
    ["xy12345.us-gov-west-1.aws", "xy12345.us-gov-west-1.aws.snowflakecomputing.com"],
    ["xy12345.cn-northwest-1.aws", "xy12345.cn-northwest-1.aws.snowflakecomputing.cn"],
  ] as const) {
    test(`the account ${account} is at ${host}`, () => {
      assert.equal(addressOf({ ...OPTIONS, account }), `https://${host}`);
    });
  }

  test("a missing warehouse and a missing object share a code, and are told apart", () => {
    const object = "Object does not exist, or operation cannot be performed.";
    assert.equal(mapped({ code: "002043", message: object }).code, "snowflake.missing");
    assert.equal(mapped({ code: "002043", message: `${object} (warehouse WH)` }).code, "snowflake.warehouse");
  });

  test("a renewed token is waited for", () => {
    const renewed = { ...OPTIONS, auth: { type: "oauth_file", path: "/run/token" } } as const;
    assert.equal(mapped({ code: "390318" }, renewed).remedy, "retry");
  });

  test("neither secrets nor values of rows are shown, and nothing of the driver's error is kept", () => {
    const error = mapped({
      code: "100038",
      message: "Numeric value 'jane@acme.test' is not recognized\n  File '0.parquet', hunter2-hunter2",
    });
    assert.equal(
      error.message,
      `merging into "DB"."S"."T" failed: Numeric value '…' is not recognized File '0.parquet', … (100038)`,
    );
    assert.equal(error.cause, undefined);
  });
});
