import type { S3Bucket } from "../store/s3_options.ts";
import type { OnDelete } from "../../src/models/deletion.ts";

/** How to sign in. Files with keys and tokens are read for each session, so they can be rotated. */
export type SnowflakeAuth =
  /** The private key of a pair, as PEM text, encrypted or not; the user's RSA_PUBLIC_KEY is its public half. */
  | { readonly type: "key"; readonly pem: string; readonly passphrase?: string }
  | { readonly type: "key_file"; readonly path: string; readonly passphrase?: string }
  | { readonly type: "password"; readonly password: string }
  | { readonly type: "oauth"; readonly token: string }
  | { readonly type: "oauth_file"; readonly path: string };

/** A user's stage over a bucket: files go to the bucket instead of through PUT. */
export interface ExternalStage {
  /** The stage's name, in the target's schema. Its URL is `s3://bucket/prefix/` of `bucket`. */
  readonly stage: string;
  readonly bucket: S3Bucket;
}

/**
 * Names (role, warehouse, database, schema, table, stage) work as in SQL: a plain name becomes upper case, a name in double
 * quotes keeps its case.
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
  /** An internal stage in the target's schema, for PUT. Default: the user's own stage, `@~`, which needs no grant. */
  readonly stage?: string;
  readonly externalStage?: ExternalStage;
  /** After this time Snowflake cancels a statement, and so does the client. Default 30 minutes. */
  readonly statementTimeoutMs?: number;
  /** `tag` in the JSON of QUERY_TAG, besides app, export and interval. */
  readonly queryTag?: string;
  /** For private connectivity and emulators; default `<account>.snowflakecomputing.com`. */
  readonly host?: string;
  readonly protocol?: "https" | "http";
  readonly port?: number;
  /** Attempts to log in. Default 3. */
  readonly loginAttempts?: number;
  readonly fileBytes?: number;
}

/** Snowflake recommends 100 to 250 MB of compressed bytes for each file, so that a warehouse loads several at once. */
export const DEFAULT_FILE_BYTES = 160 * 1024 * 1024;
export const DEFAULT_STATEMENT_MS = 30 * 60_000;
