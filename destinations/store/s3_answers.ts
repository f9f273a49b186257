/**
 * Whether an answer of success is S3's. Proxies and guest networks answer 200 with a page of their own, and the SDK reads that
 * as a list without objects, or as a write that was done. So each answer must have something that S3 always says.
 */
import type { S3Client } from "@aws-sdk/client-s3";

/** By the SDK's name of the command. One of the fields must be there. Deletes have none, and what they leave is harmless. */
const ALWAYS_SAID: Readonly<Record<string, readonly string[]>> = {
  ListObjectsV2Command: ["Name", "IsTruncated"],
  ListMultipartUploadsCommand: ["Bucket", "IsTruncated"],
  GetObjectCommand: ["ETag"],
  PutObjectCommand: ["ETag"],
  CreateMultipartUploadCommand: ["UploadId"],
  UploadPartCommand: ["ETag"],
  CompleteMultipartUploadCommand: ["ETag"],
};

/** The name of the error that stands for an answer that isn't S3's. */
export const FOREIGN = "ForeignAnswer";

/** From now on the client rejects with an error of that name where success isn't S3's. */
export function expectS3Answers(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName = "" }) =>
      async (args) => {
        const result = await next(args);
        const output: object = result.output;
        const fields = ALWAYS_SAID[commandName];
        if (fields?.every((field) => Reflect.get(output, field) === undefined) === true) {
          const message = `the answer says success, but has no ${fields.join(" or ")}`;
          throw Object.assign(new Error(message), { name: FOREIGN });
        }
        return result;
      },
    { step: "initialize", name: "expectS3Answers" },
  );
}
