import type { FileFormat } from "../destination.ts";
import type { S3Bucket } from "../store/s3_options.ts";

/** A lake in a bucket. */
export interface S3LakeOptions extends S3Bucket {
  readonly type: "s3";
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
