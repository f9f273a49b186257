/** A client with the bucket that it works on: every request's error is mapped here, once. */
import type { S3Client } from "@aws-sdk/client-s3";
import { s3Error } from "./s3_errors.ts";
import { openS3Client } from "./s3_client.ts";
import type { S3Bucket } from "./s3_options.ts";

export interface S3Session {
  readonly client: S3Client;
  readonly bucket: string;
  readonly checksums: boolean;
  /** `s3://bucket/key` */
  locate(key: string): string;
  /** Rejects with ReplayportError, or with `signal.reason`. `key` is the full key in the bucket; "" for the bucket. */
  send<Answer>(
    request: (signal: AbortSignal) => Promise<Answer>,
    what: { readonly action: string; readonly key: string },
    signal: AbortSignal,
  ): Promise<Answer>;
}

export function openS3Session(options: S3Bucket): S3Session {
  const locate = (key: string): string => `s3://${options.bucket}${key === "" ? "" : `/${key}`}`;
  const client = openS3Client(options);
  return {
    client,
    bucket: options.bucket,
    checksums: options.checksums !== false,
    locate,
    async send(request, { action, key }, signal) {
      signal.throwIfAborted();
      try {
        return await request(signal);
      } catch (error) {
        const endpoint = options.endpoint ?? options.region;
        throw s3Error(error, { action, resource: locate(key), bucket: options.bucket, endpoint }, signal);
      }
    },
  };
}
