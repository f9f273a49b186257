import type { S3Bucket } from "../store/s3_options.ts";
import type { OnDelete } from "../../src/models/deletion.ts";

/** How a session is opened. Keys and tokens in files are read anew for each session, so they can be rotated. */
export type SnowflakeAuth =
  /** The private key of a pair, as PEM text, encrypted or not; its public half stands on the user as RSA_PUBLIC_KEY. */
  | { readonly type: "key"; readonly pem: string; readonly passphrase?: string }
  | { readonly type: "key_file"; readonly path: string; readonly passphrase?: string }
  | { readonly type: "password"; readonly password: string }
  | { readonly type: "oauth"; readonly token: string }
  | { readonly type: "oauth_file"; readonly path: string };

/** A stage of the user's that points at a bucket: files go there instead of through PUT. */
export interface ExternalStage {
  /** Name of the stage, in the schema of the target. Its URL is `s3://bucket/prefix/` of `bucket`. */
  readonly stage: string;
  readonly bucket: S3Bucket;
}

/**
 * Names of objects (role, warehouse, database, schema, table, stage) are read as SQL reads them: a plain name is folded to
 * upper case, a name in double quotes keeps its case.
 */
export interface SnowflakeOptions {
  readonly type: "snowflake";
  /** `organisation-account`, or the account's locator with its region. */
  readonly account: string;
  readonly username: string;
  readonly auth: SnowflakeAuth;
  /** Default: the user's default role. */
  readonly role?: string;
  /** Default: the user's default warehouse. */
  readonly warehouse?: string;
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  /** Default `tombstone`. */
  readonly onDelete?: OnDelete;
  /** An internal stage in the schema of the target, for PUT. Default: the user's own stage, `@~`, which needs no grant. */
  readonly stage?: string;
  readonly externalStage?: ExternalStage;
  /** Snowflake cancels a statement after this time, and so does the client. Default 30 minutes. */
  readonly statementTimeoutMs?: number;
  /** Shown as `tag` in the JSON of QUERY_TAG, beside app, export and interval. */
  readonly queryTag?: string;
  /** For private connectivity and emulators; default `<account>.snowflakecomputing.com`. */
  readonly host?: string;
  readonly protocol?: "https" | "http";
  readonly port?: number;
  /** How many times a login is sent before its error counts. Default 3. */
  readonly loginAttempts?: number;
  readonly fileBytes?: number;
}

/** Snowflake recommends 100 to 250 MB of compressed bytes for each file, so that a warehouse loads several at once. */
export const DEFAULT_FILE_BYTES = 160 * 1024 * 1024;
export const DEFAULT_STATEMENT_MS = 30 * 60_000;
