/** A client with the bucket that it works on: every request's error is mapped here, once. */
import type { S3Client } from "@aws-sdk/client-s3";
import { s3Error, s3Region, s3Status } from "./s3_errors.ts";
import { openS3Client } from "./s3_client.ts";
import type { S3Bucket } from "./s3_options.ts";

export interface S3Session {
  readonly bucket: string;
  /** Whether requests carry checksums that the protocol doesn't require. */
  checksums(): Promise<boolean>;
  /** `s3://bucket/key` */
  locate(key: string): string;
  /**
   * Rejects with ReplayportError, or with `signal.reason`.
   * @param request may be called again, with another client
   * @param what `key` is the full key in the bucket; "" for the bucket
   */
  send<Answer>(
    request: (client: S3Client, signal: AbortSignal) => Promise<Answer>,
    what: { readonly action: string; readonly key: string },
    signal: AbortSignal,
  ): Promise<Answer>;
  close(): void;
}

export function openS3Session(options: S3Bucket): S3Session {
  const locate = (key: string): string => `s3://${options.bucket}${key === "" ? "" : `/${key}`}`;
  let client = openS3Client(options);
  const clients = [client];
  let moved: string | undefined;
  /** Whether the bucket turns out to be in another region. From then on the client is one for that. */
  const follow = (error: unknown): boolean => {
    if (moved !== undefined || !REDIRECTS.has(s3Status(error) ?? 0)) return false;
    const region = s3Region(error);
    if (region === undefined || region === options.region) return false;
    moved = region;
    // Requests that are under way end on the client that they began with.
    client = openS3Client(options, region);
    clients.push(client);
    return true;
  };
  return {
    bucket: options.bucket,
    checksums: async () => (await client.config.requestChecksumCalculation()) === "WHEN_SUPPORTED",
    locate,
    async send(request, { action, key }, signal) {
      for (;;) {
        signal.throwIfAborted();
        const before = client;
        try {
          return await request(before, signal);
        } catch (error) {
          if (client !== before || follow(error)) continue;
          const endpoint = options.endpoint ?? moved ?? options.region;
          throw s3Error(error, { action, resource: locate(key), bucket: options.bucket, endpoint }, signal);
        }
      }
    },
    close: () => clients.forEach((one) => one.destroy()),
  };
}

/** Moved, moved for now (a new bucket whose name isn't known everywhere yet), and a signature for another region. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 307, 400]);
