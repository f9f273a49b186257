/** Encryption at rest: what a request asks for, and whether the answer says the same. */
import type { CreateMultipartUploadCommandInput } from "@aws-sdk/client-s3";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { S3Bucket } from "./s3_options.ts";

export type EncryptionHeaders = Pick<CreateMultipartUploadCommandInput, "ServerSideEncryption" | "SSEKMSKeyId">;

export function encryptionHeaders({ encryption }: S3Bucket): EncryptionHeaders {
  if (!encryption) return {};
  if (encryption.type === "AES256" || encryption.key === undefined) return { ServerSideEncryption: encryption.type };
  return { ServerSideEncryption: encryption.type, SSEKMSKeyId: encryption.key };
}

/**
 * Some servers take the headers and write plain bytes. S3 repeats them in its answer, with the ARN of the key.
 * @throws ReplayportError `store.not_encrypted`
 */
export function expectEncrypted(resource: string, asked: EncryptionHeaders, answer: EncryptionHeaders): void {
  const { ServerSideEncryption: wanted, SSEKMSKeyId: key } = asked;
  if (wanted === undefined) return;
  const got = answer.ServerSideEncryption;
  // An alias doesn't say which key it is.
  const sameKey =
    key === undefined || /(^|:)alias\//.test(key) || answer.SSEKMSKeyId?.split("/").at(-1) === key.split("/").at(-1);
  if (got === wanted && sameKey) return;
  const found = got === undefined ? "not encrypted" : `encrypted by ${got} with ${answer.SSEKMSKeyId ?? "no key"}`;
  throw new ReplayportError(
    `${resource} would be ${found}, although the config asks for ${wanted}${key === undefined ? "" : ` with ${key}`}`,
    giveUp(
      "store.not_encrypted",
      "This server ignores the headers of `encryption`. Remove `encryption` and let the server or its disks encrypt, or use another server.",
    ),
  );
}
