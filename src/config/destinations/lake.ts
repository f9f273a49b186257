/** The two kinds of lake: a bucket of S3 and a folder of this machine. */
import { resolve } from "node:path";
import * as z from "zod";
import { httpUrl, parsed, text } from "../values/fields.ts";
import type { Report } from "../problems/problems.ts";
import type { Path } from "../problems/path.ts";

export interface S3Config {
  readonly type: "s3";
  readonly bucket: string;
  /** Without a slash at its ends. */
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
  readonly encryption?: { readonly type: "AES256" } | { readonly type: "aws:kms"; readonly key?: string };
  readonly assumeRole?: { readonly arn: string; readonly externalId?: string; readonly sessionName?: string };
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

export interface FileConfig {
  readonly type: "file";
  /** Absolute. */
  readonly path: string;
}

const BUCKET = /^(?!xn--)(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const ROLE = /^arn:aws[a-z-]*:iam::\d{12}:role\/\S+$/;

const prefix = parsed<string>((given) => {
  const trimmed = given.trim().replaceAll(/^\/+|\/+$/g, "");
  const folders = trimmed.split("/");
  // oxlint-disable-next-line no-control-regex -- they break the XML of a listing.
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
    type: z.literal("s3").describe("A bucket of S3, or of a server that speaks its protocol."),
    bucket: z
      .string()
      .regex(BUCKET)
      .describe("The bucket: 3 to 63 of a-z, 0-9, dots and hyphens.")
      .meta({ examples: ["acme-lake"] }),
    prefix: prefix
      .optional()
      .describe("A folder in the bucket that everything goes to.")
      .meta({ examples: ["posthog"] }),
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .optional()
      .describe("The bucket's region.")
      .meta({ examples: ["eu-central-1"] }),
    endpoint: httpUrl
      .optional()
      .describe("For servers other than AWS.")
      .meta({ examples: ["https://minio.acme.internal:9000"] }),
    force_path_style: z
      .boolean()
      .optional()
      .describe("https://host/bucket instead of https://bucket.host; MinIO wants it."),
    encryption: z
      .union([
        z.enum(["AES256", "aws:kms"]),
        z.strictObject({
          type: z.enum(["AES256", "aws:kms"]).describe("AES256 (keys of S3) or aws:kms."),
          key: text.optional().describe("Id, alias or ARN of the KMS key. Without it, the one that the bucket names."),
        }),
      ])
      .optional()
      .describe("How objects are encrypted at rest, where the bucket's own setting is not enough.")
      .meta({ examples: ["AES256"] }),
    assume_role: z
      .strictObject({
        arn: z
          .string()
          .regex(ROLE)
          .describe("The role.")
          .meta({ examples: ["arn:aws:iam::123456789012:role/replayport"] }),
        external_id: text.optional().describe("The external id that the role asks for."),
        session_name: z
          .string()
          .regex(/^[\w+=,.@-]{2,64}$/)
          .optional()
          .describe("Shows in the bucket's logs: 2 to 64 letters, digits or +=,.@-"),
      })
      .optional()
      .describe("A role to take on before S3 is asked."),
    access_key_id: text
      .optional()
      .describe("Without it, AWS's default chain: environment, profile, web identity, instance role.")
      .meta({ examples: ["${AWS_ACCESS_KEY_ID}"] }),
    secret_access_key: text
      .optional()
      .describe("Belongs to access_key_id.")
      .meta({ examples: ["${AWS_SECRET_ACCESS_KEY}"] }),
    session_token: text
      .optional()
      .describe("For temporary keys.")
      .meta({ examples: ["${AWS_SESSION_TOKEN}"] }),
  })
  .describe("A lake in a bucket of S3.");

export const fileSchema = z
  .strictObject({
    type: z.literal("file").describe("A folder of this machine, or of a mount."),
    path: text.describe("The folder, relative to this file.").meta({ examples: ["./lake"] }),
  })
  .describe("A lake in a folder.");

/** Reports what the schema cannot see: keys that belong together. */
export function resolveS3(input: z.output<typeof s3Schema>, path: Path, report: Report): S3Config {
  const { access_key_id, secret_access_key, session_token, encryption, assume_role: role } = input;
  if ((access_key_id === undefined) !== (secret_access_key === undefined)) {
    const lacking = access_key_id === undefined ? "access_key_id" : "secret_access_key";
    report.add([...path, lacking], "is missing", "access_key_id and secret_access_key go together: give both or none.");
  } else if (session_token !== undefined && access_key_id === undefined) {
    report.add(
      [...path, "session_token"],
      "has no keys beside it",
      "Give access_key_id and secret_access_key, or leave it out.",
      "key",
    );
  }
  const chosen = typeof encryption === "string" ? { type: encryption } : encryption;
  if (chosen?.type === "AES256" && chosen.key !== undefined) {
    report.add(
      [...path, "encryption", "key"],
      "AES256 has no key of yours",
      "Write type: aws:kms, or leave key out.",
      "key",
    );
  }
  const credentials =
    access_key_id === undefined || secret_access_key === undefined
      ? undefined
      : {
          accessKeyId: access_key_id,
          secretAccessKey: secret_access_key,
          ...(session_token === undefined ? {} : { sessionToken: session_token }),
        };
  return {
    type: "s3",
    bucket: input.bucket,
    ...(input.prefix === undefined || input.prefix === "" ? {} : { prefix: input.prefix }),
    ...(input.region === undefined ? {} : { region: input.region }),
    ...(input.endpoint === undefined ? {} : { endpoint: input.endpoint }),
    ...(input.force_path_style === undefined ? {} : { forcePathStyle: input.force_path_style }),
    ...(chosen === undefined
      ? {}
      : {
          encryption:
            chosen.type === "AES256"
              ? { type: chosen.type }
              : { type: chosen.type, ...(chosen.key === undefined ? {} : { key: chosen.key }) },
        }),
    ...(role === undefined
      ? {}
      : {
          assumeRole: {
            arn: role.arn,
            ...(role.external_id === undefined ? {} : { externalId: role.external_id }),
            ...(role.session_name === undefined ? {} : { sessionName: role.session_name }),
          },
        }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

export function resolveFile(input: z.output<typeof fileSchema>, folder: string): FileConfig {
  return { type: "file", path: resolve(folder, input.path) };
}
