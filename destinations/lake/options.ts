import type { S3Bucket } from "../store/s3_options.ts";

/** A lake in a bucket. */
export interface S3LakeOptions extends S3Bucket {
  readonly type: "s3";
  readonly fileBytes?: number;
}

/** A lake in a folder of this machine, or of a mount that has hard links and fsync. */
export interface FileLakeOptions {
  readonly type: "file";
  readonly path: string;
  readonly fileBytes?: number;
}

export type LakeOptions = S3LakeOptions | FileLakeOptions;
