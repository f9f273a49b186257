/** A Snowflake table, as the YAML names it. */
import { resolve } from "node:path";
import * as z from "zod";
import type { ExternalStage, SnowflakeAuth, SnowflakeOptions } from "../../../destinations/snowflake/options.ts";
import { defined } from "../values/defined.ts";
import { duration, field, matching, optional, secret, text } from "../values/fields.ts";
import { DAY_MS } from "../values/units.ts";
import { resolveBucket, s3Schema } from "./s3.ts";
import type { Path } from "../problems/path.ts";
import type { Report } from "../problems/problems.ts";
import { onDelete } from "./deletion.ts";

/** A plain name, which Snowflake folds to upper case, or any name in double quotes, which keeps its case. */
const identifier = matching(/^(?:[A-Za-z_][\w$-]{0,254}|"(?:[^"]|""){1,255}")$/);
/** Shorter than Snowflake allows, because the table's lock has the same name with a prefix. */
const tableName = matching(/^(?:[A-Za-z_][\w$-]{0,229}|"(?:[^"]|""){1,230}")$/);

export const snowflakeSchema = z
  .strictObject({
    type: z.literal("snowflake").describe("A Snowflake table."),
    account: field(
      matching(/^[A-Za-z0-9][\w.-]*$/).refine(
        (name) => !/snowflakecomputing/i.test(name),
        "write the account alone, without snowflakecomputing.com",
      ),
      "The account: organisation-account, or its locator with the region.",
      "acme-analytics",
      "xy12345.eu-central-1",
    ),
    username: field(text, "The user, ideally one of TYPE = SERVICE.", "REPLAYPORT"),
    private_key: optional(secret, "The private key of a pair, as PEM; encrypted or not.", "${SNOWFLAKE_PRIVATE_KEY}"),
    private_key_file: optional(text, "The file of the private key, relative to this file.", "./snowflake-key.p8"),
    private_key_passphrase: optional(
      secret,
      "The passphrase of an encrypted private key.",
      "${SNOWFLAKE_PRIVATE_KEY_PASSPHRASE}",
    ),
    password: optional(
      secret,
      "Snowflake no longer accepts passwords from services: use a key pair.",
      "${SNOWFLAKE_PASSWORD}",
    ),
    oauth_token: optional(secret, "An OAuth access token.", "${SNOWFLAKE_TOKEN}"),
    oauth_token_file: optional(
      text,
      "A file with an OAuth access token that something else renews, relative to this file.",
      "/run/secrets/snowflake-token",
    ),
    role: optional(identifier, "The role. Without it, the user's default role.", "REPLAYPORT"),
    warehouse: optional(identifier, "The warehouse. Without it, the user's default warehouse.", "LOADING"),
    database: field(identifier, "The database. It must exist.", "ANALYTICS"),
    schema: field(identifier, "The schema. It must exist.", "POSTHOG"),
    table: field(
      tableName.refine((name) => !/^"?_replayport/i.test(name), "names that begin with _replayport are reserved"),
      "The table. It is created if it doesn't exist.",
      "SESSION_REPLAYS",
    ),
    on_delete: onDelete.default("tombstone"),
    stage: optional(
      identifier,
      "An internal stage in the schema that files go through. Without it, the user's own, which needs no grant.",
      "REPLAYPORT_FILES",
    ),
    external_stage: optional(
      z.strictObject({
        stage: identifier.describe("The stage in the schema. Its URL is s3://bucket/prefix/ of the bucket below."),
        s3: s3Schema
          .omit({ type: true, on_delete: true, keep_replaced: true })
          .describe("The bucket, with the keys to write to it."),
      }),
      "A stage over a bucket: files are written to the bucket instead of through PUT.",
      { stage: "LAKE", s3: { bucket: "acme-lake", prefix: "snowflake", region: "eu-central-1" } },
    ),
    statement_timeout: field(
      duration(1000, DAY_MS).prefault("30m"),
      "After this time a statement is cancelled, in Snowflake too.",
      "30m",
    ),
    query_tag: optional(
      matching(/^.{1,500}$/),
      "Appears in QUERY_TAG as `tag`, beside export and interval.",
      "data-platform",
    ),
    host: optional(
      matching(/^[A-Za-z0-9._-]+$/),
      "For private connectivity, or an emulator.",
      "acme-analytics.privatelink.snowflakecomputing.com",
    ),
    protocol: optional(z.enum(["https", "http"]), "http is for emulators."),
    port: optional(z.int().min(1).max(65_535), "If it isn't the protocol's default.", 443),
  })
  .describe("A Snowflake table.");

type Input = z.output<typeof snowflakeSchema>;

const WAYS = ["private_key", "private_key_file", "password", "oauth_token", "oauth_token_file"] as const;

/** Reports what the schema can't see: ways to sign in that are missing or exclude each other. */
export function resolveSnowflake(input: Input, path: Path, folder: string, report: Report): SnowflakeOptions {
  const given = WAYS.filter((name) => input[name] !== undefined);
  if (given.length === 0) {
    report.add([...path, "private_key"], "is missing", `Give one way to sign in: ${WAYS.join(", ")}.`);
  }
  for (const name of given.slice(1)) {
    report.add([...path, name], "is a second way to sign in", `Keep one of: ${given.join(", ")}.`, "key");
  }
  if (input.private_key_passphrase !== undefined && given[0]?.startsWith("private_key") !== true) {
    const fix = "Give private_key or private_key_file too, or remove it.";
    report.add([...path, "private_key_passphrase"], "has no key beside it", fix, "key");
  }
  if (input.stage !== undefined && input.external_stage !== undefined) {
    report.add([...path, "external_stage"], "is a second stage", "Keep one of: stage, external_stage.", "key");
  }
  return defined<Omit<SnowflakeOptions, "fileBytes" | "loginAttempts">>({
    type: "snowflake",
    account: input.account,
    username: input.username,
    auth: authOf(input, folder),
    role: input.role,
    warehouse: input.warehouse,
    database: input.database,
    schema: input.schema,
    table: input.table,
    onDelete: input.on_delete,
    stage: input.stage,
    externalStage: externalStageOf(input, path, report),
    statementTimeoutMs: input.statement_timeout,
    queryTag: input.query_tag,
    host: input.host,
    protocol: input.protocol,
    port: input.port,
  });
}

function externalStageOf({ external_stage: given }: Input, path: Path, report: Report): ExternalStage | undefined {
  if (given === undefined) return undefined;
  return { stage: given.stage, bucket: resolveBucket(given.s3, [...path, "external_stage", "s3"], report) };
}

function authOf(input: Input, folder: string): SnowflakeAuth {
  const passphrase = input.private_key_passphrase === undefined ? {} : { passphrase: input.private_key_passphrase };
  if (input.private_key !== undefined) return { type: "key", pem: input.private_key, ...passphrase };
  if (input.private_key_file !== undefined) {
    return { type: "key_file", path: resolve(folder, input.private_key_file), ...passphrase };
  }
  if (input.oauth_token !== undefined) return { type: "oauth", token: input.oauth_token };
  if (input.oauth_token_file !== undefined)
    return { type: "oauth_file", path: resolve(folder, input.oauth_token_file) };
  return { type: "password", password: input.password ?? "" };
}
