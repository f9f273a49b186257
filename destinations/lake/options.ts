import type { OnDelete } from "../../src/models/deletion.ts";
import type { S3Bucket } from "../store/s3_options.ts";

interface AnyLakeOptions {
  readonly fileBytes?: number;
  /** How the SQL that reads the lake shows deleted sessions. Default `tombstone`. */
  readonly onDelete?: OnDelete;
  /** How long replaced files stay for queries that have listed them. Default: an hour. */
  readonly keepReplacedMs?: number;
}

/** A lake in a bucket. */
export interface S3LakeOptions extends S3Bucket, AnyLakeOptions {
  readonly type: "s3";
}

/** A lake in a folder of this machine, or of a mount that has hard links and fsync. */
export interface FileLakeOptions extends AnyLakeOptions {
  readonly type: "file";
  readonly path: string;
}

export type LakeOptions = S3LakeOptions | FileLakeOptions;
