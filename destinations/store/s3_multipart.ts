/** Uploads one large file in parts. Its own code, since parts are hashed on the way and no upload may be left open. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
} from "@aws-sdk/client-s3";
import { type EncryptionHeaders, expectEncrypted } from "./s3_encryption.ts";
import type { S3Session } from "./s3_session.ts";

/** Parts of one file that are in memory and uploading at once. */
const PARALLEL_PARTS = 4;
const ABORT_MS = 30_000;

type Target = EncryptionHeaders & {
  readonly Bucket: string;
  readonly Key: string;
};

export interface Uploaded {
  readonly id: string | undefined;
  readonly parts: readonly CompletedPart[];
}

/** The object appears in full after the last part, or never: the upload is aborted on any error. */
export async function uploadParts(
  s3: S3Session,
  target: Target,
  parts: AsyncIterable<Buffer> | Iterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const uploaded = await prepareParts(s3, target, parts, signal);
  try {
    await completeUpload(s3, target, uploaded, signal);
  } catch (error) {
    await abortUpload(s3, target.Bucket, target.Key, uploaded.id, AbortSignal.timeout(ABORT_MS)).catch(() => undefined);
    throw error;
  }
}

/** The object appears. */
export async function completeUpload(
  s3: S3Session,
  { Bucket, Key }: Target,
  { id, parts }: Uploaded,
  signal: AbortSignal,
): Promise<void> {
  const MultipartUpload = { Parts: [...parts] };
  await s3.send(
    (client, abortSignal) =>
      client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId: id, MultipartUpload }), {
        abortSignal,
      }),
    { action: "s3:PutObject", key: Key },
    signal,
  );
}

/** All parts are there, and the object is not. Aborts the upload on any error. */
export async function prepareParts(
  s3: S3Session,
  target: Target,
  parts: AsyncIterable<Buffer> | Iterable<Buffer>,
  signal: AbortSignal,
): Promise<Uploaded> {
  const { Bucket, Key } = target;
  const checksum = (await s3.checksums()) ? ({ ChecksumAlgorithm: "CRC32" } as const) : {};
  const { UploadId, ...answer } = await s3.send(
    (client, abortSignal) => client.send(new CreateMultipartUploadCommand({ ...target, ...checksum }), { abortSignal }),
    { action: "s3:PutObject", key: Key },
    signal,
  );
  try {
    expectEncrypted(s3.locate(Key), target, answer);
  } catch (error) {
    await abortUpload(s3, Bucket, Key, UploadId, AbortSignal.timeout(ABORT_MS)).catch(() => undefined);
    throw error;
  }
  const upload = { Bucket, Key, UploadId };
  const failed = new AbortController();
  const any = AbortSignal.any([signal, failed.signal]);
  const pending = new Set<Promise<void>>();
  const done: CompletedPart[] = [];

  async function uploadPart(PartNumber: number, Body: Buffer): Promise<void> {
    const { ETag, ChecksumCRC32 } = await s3.send(
      (client, abortSignal) =>
        client.send(new UploadPartCommand({ ...upload, ...checksum, PartNumber, Body }), { abortSignal }),
      { action: "s3:PutObject", key: Key },
      any,
    );
    done.push({ PartNumber, ETag, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) });
  }

  try {
    let number = 0;
    for await (const body of parts) {
      failed.signal.throwIfAborted();
      number += 1;
      const part = uploadPart(number, body)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => pending.delete(part));
      pending.add(part);
      if (pending.size >= PARALLEL_PARTS) await Promise.race(pending);
    }
    await Promise.all(pending);
    failed.signal.throwIfAborted();
    return { id: UploadId, parts: done.sort((one, other) => (one.PartNumber ?? 0) - (other.PartNumber ?? 0)) };
  } catch (error) {
    // A part that arrives after the abort would stay in the bucket, billed. So those on their way aren't cancelled: a server that
    // has one in full may write it all the same, and be late.
    await Promise.allSettled(pending);
    await abortUpload(s3, upload.Bucket, Key, UploadId, AbortSignal.timeout(ABORT_MS)).catch(() => undefined);
    throw error;
  }
}

export async function abortUpload(
  s3: S3Session,
  Bucket: string,
  Key: string,
  UploadId: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  await s3.send(
    (client, abortSignal) => client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }), { abortSignal }),
    { action: "s3:AbortMultipartUpload", key: Key },
    signal,
  );
}
