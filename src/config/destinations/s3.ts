/** A bucket in the YAML: a lake, or the place behind a Snowflake stage. */
import * as z from "zod";
import type { S3LakeOptions } from "../../../destinations/lake/options.ts";
import type { AssumeRole, S3Bucket, S3Credentials, S3Encryption } from "../../../destinations/store/s3_options.ts";
import { defined } from "../values/defined.ts";
import { field, httpUrl, matching, optional, parsed, secret, text } from "../values/fields.ts";
import { onDelete } from "./deletion.ts";
import { keepReplaced } from "./keep_replaced.ts";
import type { Report } from "../problems/problems.ts";
import type { Path } from "../problems/path.ts";

const BUCKET = /^(?!xn--)(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const ROLE = /^arn:aws[a-z-]*:iam::\d{12}:role\/\S+$/;

const prefix = parsed<string>((given) => {
  const trimmed = given.trim().replaceAll(/^\/+|\/+$/g, "");
  const folders = trimmed.split("/");
  // oxlint-disable-next-line no-control-regex -- control characters break the XML of a listing.
  const odd = /[\\\u0000-\u001F\u007F]/.test(trimmed);
  if (
    odd ||
    (trimmed !== "" && folders.some((one) => one === "" || one === "." || one === ".." || one === "_replayport"))
  )
    return {
      problem: "not a folder of a bucket",
      fix: "Write names with single slashes between them, such as lake/posthog.",
    };
  return { value: trimmed };
});

export const s3Schema = z
  .strictObject({
    type: z.literal("s3").describe("A bucket in S3, or on a server with the same protocol."),
    bucket: field(matching(BUCKET), "The bucket: 3 to 63 of a-z, 0-9, dots and hyphens.", "acme-lake"),
    prefix: optional(prefix, "The folder in the bucket for everything.", "posthog"),
    region: optional(matching(/^[a-z0-9-]+$/), "The bucket's region.", "eu-central-1"),
    endpoint: optional(httpUrl, "For servers other than AWS.", "https://minio.acme.internal:9000"),
    force_path_style: optional(z.boolean(), "https://host/bucket instead of https://bucket.host; MinIO needs it."),
    encryption: optional(
      z.union([
        z.enum(["AES256", "aws:kms"]),
        z.strictObject({
          type: z.enum(["AES256", "aws:kms"]).describe("AES256 (keys of S3) or aws:kms."),
          key: optional(text, "Id, alias or ARN of the KMS key. Without it, the bucket's own."),
        }),
      ]),
      "How objects are encrypted at rest, if not by the bucket's own setting.",
      "AES256",
    ),
    checksums: optional(
      z.boolean(),
      "false for servers without CRC32 checksums. By default AWS_REQUEST_CHECKSUM_CALCULATION or the profile says, else true.",
    ),
    assume_role: z
      .strictObject({
        arn: field(matching(ROLE), "The role.", "arn:aws:iam::123456789012:role/replayport"),
        external_id: optional(text, "The external id that the role requires."),
        session_name: optional(
          matching(/^[\w+=,.@-]{2,64}$/),
          "Shown in the bucket's logs: 2 to 64 letters, digits or +=,.@-",
        ),
      })
      .optional()
      .describe("A role to assume before using S3."),
    access_key_id: optional(
      secret,
      "Without it, AWS's default chain: environment, profile, web identity, instance role.",
      "${AWS_ACCESS_KEY_ID}",
    ),
    secret_access_key: optional(secret, "The secret of access_key_id.", "${AWS_SECRET_ACCESS_KEY}"),
    session_token: optional(secret, "For temporary keys.", "${AWS_SESSION_TOKEN}"),
    on_delete: onDelete,
    keep_replaced: keepReplaced,
  })
  .describe("A lake in a bucket of S3.");

type Input = z.output<typeof s3Schema>;

export function resolveS3(input: Input, path: Path, report: Report): S3LakeOptions {
  return {
    type: "s3",
    ...resolveBucket(input, path, report),
    ...defined<Pick<S3LakeOptions, "onDelete" | "keepReplacedMs">>({
      onDelete: input.on_delete,
      keepReplacedMs: input.keep_replaced,
    }),
  };
}

/** Reports what the schema can't see: keys that belong together. */
export function resolveBucket(
  input: Omit<Input, "type" | "on_delete" | "keep_replaced">,
  path: Path,
  report: Report,
): S3Bucket {
  const { access_key_id, secret_access_key, session_token } = input;
  if ((access_key_id === undefined) !== (secret_access_key === undefined)) {
    const lacking = access_key_id === undefined ? "access_key_id" : "secret_access_key";
    report.add([...path, lacking], "is missing", "access_key_id and secret_access_key go together: give both or none.");
  } else if (session_token !== undefined && access_key_id === undefined) {
    const fix = "Give access_key_id and secret_access_key too, or remove it.";
    report.add([...path, "session_token"], "has no keys beside it", fix, "key");
  }
  const { assume_role: role } = input;
  return defined<Omit<S3Bucket, "maxAttempts">>({
    bucket: input.bucket,
    prefix: input.prefix === "" ? undefined : input.prefix,
    region: input.region,
    endpoint: input.endpoint,
    forcePathStyle: input.force_path_style,
    encryption: encryptionOf(input, path, report),
    checksums: input.checksums,
    assumeRole:
      role && defined<AssumeRole>({ arn: role.arn, externalId: role.external_id, sessionName: role.session_name }),
    credentials:
      access_key_id !== undefined && secret_access_key !== undefined
        ? defined<S3Credentials>({
            accessKeyId: access_key_id,
            secretAccessKey: secret_access_key,
            sessionToken: session_token,
          })
        : undefined,
  });
}

function encryptionOf({ encryption }: Pick<Input, "encryption">, path: Path, report: Report): S3Encryption | undefined {
  if (encryption === undefined) return undefined;
  const { type, key } = typeof encryption === "string" ? { type: encryption, key: undefined } : encryption;
  if (type === "aws:kms") return key === undefined ? { type } : { type, key };
  if (key !== undefined) {
    const fix = "Write type: aws:kms, or remove the key.";
    report.add([...path, "encryption", "key"], "AES256 takes no key", fix, "key");
  }
  return { type };
}
