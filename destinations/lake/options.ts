import type { FileFormat } from "../destination.ts";

/** How objects are encrypted at rest. Without `key`, the KMS key that the bucket names is used. */
export type S3Encryption = { readonly type: "AES256" } | { readonly type: "aws:kms"; readonly key?: string };

/** A role that is taken on before S3 is asked, with the default credentials (or `credentials`) as the base. */
export interface AssumeRole {
  readonly arn: string;
  readonly externalId?: string;
  readonly sessionName?: string;
}

/** A pair of keys. Without it, the SDK's default chain is used: environment, profile, web identity, instance role. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A lake in a bucket of S3, or of a server that speaks S3's protocol, conditional writes included. */
export interface S3LakeOptions {
  readonly type: "s3";
  readonly bucket: string;
  /** A folder within the bucket, without a slash at its ends. */
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
  readonly encryption?: S3Encryption;
  readonly assumeRole?: AssumeRole;
  readonly credentials?: S3Credentials;
  /** How often one request is sent before its error counts. Default 5, with the SDK's back-off between. */
  readonly maxAttempts?: number;
  /** `false` for servers that choke on CRC32 trailers. Default `true`. */
  readonly checksums?: boolean;
  readonly fileBytes?: number;
}

/** A lake in a folder of this machine (or of a mount that has hard links and fsync). */
export interface FileLakeOptions {
  readonly type: "file";
  readonly path: string;
  readonly fileBytes?: number;
}

export type LakeOptions = S3LakeOptions | FileLakeOptions;

/** What a lake is opened for: one export, and the template of the folders that its files go to. */
export interface LakeExport {
  readonly export: string;
  readonly path: string;
}

export interface LakeDeps {
  readonly now: () => Date;
  /** Replayport's own version, written into every manifest. */
  readonly version: string;
  /** Told what went wrong without failing a load, for example a clean-up that has to be done again. Holds no secret. */
  readonly onWarning: (message: string, detail: object) => void;
}

/** Best first: Parquet carries types, JSON Lines carries lists, CSV carries text. */
export const FORMATS = ["parquet", "jsonl", "csv"] as const satisfies readonly FileFormat[];

/** 256 MiB: large enough for a query engine, small enough to be sent again. */
export const DEFAULT_FILE_BYTES = 256 * 1024 * 1024;
