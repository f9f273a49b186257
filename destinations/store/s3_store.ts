import pLimit from "p-limit";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { encryptionHeaders, type EncryptionHeaders } from "./s3_encryption.ts";
import { s3Error, s3ErrorName, s3Status } from "./s3_errors.ts";
import type { S3Bucket } from "./s3_options.ts";
import { nextPage } from "./s3_pages.ts";
import { abortUpload, completeUpload, prepareParts, uploadParts } from "./s3_multipart.ts";
import { DEFAULT_PART_BYTES, partBytesFor } from "./s3_part_size.ts";
import { openS3Session, type S3Session } from "./s3_session.ts";
import { type LocalFile, readStaged } from "../files/read_staged.ts";
import type { Prepared, Store, StoredObject, Unfinished } from "./store.ts";

/** S3's limit for one DeleteObjects request. */
const DELETE_BATCH = 1000;
/** DeleteObjects is refused with these where it's missing, or where it needs another header than the SDK's. */
const DELETES_ONE: ReadonlySet<number> = new Set([400, 404, 405, 411, 501]);
/** Not for these: the bucket, the credentials or the line is wrong. */
const DELETES_NONE: ReadonlySet<string> = new Set([
  "NoSuchBucket",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidToken",
  "AuthorizationHeaderMalformed",
  "RequestTimeout",
  "RequestTimeTooSkewed",
]);
const PARALLEL_DELETES = 16;
const NOTHING = new Uint8Array(0);

/** A bucket, or a folder of it. `partBytes` is the smallest size of a part; S3 itself needs 5 MiB or more. */
export class S3Store implements Store {
  readonly name: string;
  readonly #s3: S3Session;
  readonly #root: string;
  readonly #partBytes: number;
  readonly #encryption: EncryptionHeaders;
  /** The server can't delete several objects by one request, as it turned out. */
  #deletesOne = false;

  constructor(options: S3Bucket, partBytes: number = DEFAULT_PART_BYTES) {
    const prefix = (options.prefix ?? "").replaceAll(/^\/+|\/+$/g, "");
    this.#s3 = openS3Session(options);
    this.#root = prefix === "" ? "" : `${prefix}/`;
    this.#partBytes = partBytes;
    this.#encryption = encryptionHeaders(options);
    this.name = this.#s3.locate(prefix);
  }

  locate(key: string): string {
    return this.#s3.locate(this.#root + key);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    const { bucket } = this.#s3;
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: this.#root + prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#send("s3:ListBucket", "", signal, (client, abortSignal) =>
        client.send(command, { abortSignal }),
      );
      for (const object of page.Contents ?? []) {
        if (object.Key === undefined || object.LastModified === undefined) continue;
        yield { key: object.Key.slice(this.#root.length), bytes: object.Size ?? 0, modified: object.LastModified };
      }
      token = nextPage(this.name, page.IsTruncated, page.NextContinuationToken, token);
    } while (token !== undefined);
  }

  async read(key: string, signal: AbortSignal): Promise<string | undefined> {
    return await this.#get(key, {}, async (body) => (await body?.transformToString("utf-8")) ?? "", signal);
  }

  async readRange(key: string, start: number, end: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const range = { Range: `bytes=${start}-${end - 1}` };
    return await this.#get(key, range, async (body) => (await body?.transformToByteArray()) ?? NOTHING, signal);
  }

  async putFile(key: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    const target = { Bucket: this.#s3.bucket, Key: this.#root + key, ...this.#encryption };
    const partBytes = partBytesFor(file.bytes, this.#partBytes);
    const parts = readStaged(file, partBytes, signal);
    if (file.bytes > partBytes) {
      await uploadParts(this.#s3, target, parts, signal);
      return;
    }
    const Body = Buffer.concat(await Array.fromAsync(parts));
    await this.#send("s3:PutObject", key, signal, (client, abortSignal) =>
      client.send(new PutObjectCommand({ ...target, Body }), { abortSignal }),
    );
  }

  async prepare(key: string, file: LocalFile, signal: AbortSignal): Promise<Prepared> {
    const target = { Bucket: this.#s3.bucket, Key: this.#root + key, ...this.#encryption };
    const parts = readStaged(file, partBytesFor(file.bytes, this.#partBytes), signal);
    const uploaded = await prepareParts(this.#s3, target, parts, signal);
    return {
      key,
      publish: async (until) => {
        try {
          await completeUpload(this.#s3, target, uploaded, until);
        } catch (error) {
          // The answer to an earlier try may have been lost: then there is no such upload any more, but the object.
          if (!isGone(error) || (await this.readRange(key, 0, 1, until)) === undefined) throw error;
        }
      },
      discard: async (until) => await this.discard([{ key, id: uploaded.id ?? "" }], until),
    };
  }

  async put(key: string, content: string | Uint8Array, _: Date, signal: AbortSignal): Promise<void> {
    const target = { Bucket: this.#s3.bucket, Key: this.#root + key, ...this.#encryption };
    await this.#send("s3:PutObject", key, signal, (client, abortSignal) =>
      client.send(new PutObjectCommand({ ...target, Body: content, ContentType: contentType(content) }), {
        abortSignal,
      }),
    );
  }

  async createExclusive(
    key: string,
    content: string | Uint8Array,
    _: Date,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const { bucket } = this.#s3;
    const target = { Bucket: bucket, Key: this.#root + key, ...this.#encryption };
    return await this.#send("s3:PutObject", key, signal, async (client, abortSignal) => {
      try {
        const command = new PutObjectCommand({
          ...target,
          Body: content,
          IfNoneMatch: "*",
          ContentType: contentType(content),
        });
        await client.send(command, { abortSignal });
        return "created" as const;
      } catch (error) {
        if (s3Status(error) === 412) return "exists" as const;
        throw error;
      }
    });
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < keys.length; at += DELETE_BATCH) {
      const batch = keys.slice(at, at + DELETE_BATCH);
      this.#deletesOne ||= !(await this.#deleteMany(batch, signal));
      if (!this.#deletesOne) continue;
      const limit = pLimit(PARALLEL_DELETES);
      await Promise.all(batch.map((key) => limit(async () => await this.#deleteOne(key, signal))));
    }
  }

  /** @returns false if the server doesn't support the request, or needs a header that the SDK doesn't send (Content-MD5) */
  async #deleteMany(keys: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { bucket } = this.#s3;
    const Delete = { Objects: keys.map((key) => ({ Key: this.#root + key })), Quiet: true };
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete });
    const answer = await this.#send("s3:DeleteObject", keys[0] ?? "", signal, async (client, abortSignal) => {
      try {
        return await client.send(command, { abortSignal });
      } catch (error) {
        if (DELETES_ONE.has(s3Status(error) ?? 0) && !DELETES_NONE.has(s3ErrorName(error))) return undefined;
        throw error;
      }
    });
    const errors = answer?.Errors?.filter(({ Code }) => Code !== "NoSuchKey") ?? [];
    const [first] = errors;
    if (!first) return answer !== undefined;
    const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
    const error = Object.assign(new Error(`${first.Message ?? ""}${more}`), { name: first.Code ?? "Error" });
    throw s3Error(error, {
      action: "s3:DeleteObject",
      resource: this.#s3.locate(first.Key ?? ""),
      bucket,
      endpoint: undefined,
    });
  }

  async #deleteOne(key: string, signal: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#s3.bucket, Key: this.#root + key });
    await this.#send("s3:DeleteObject", key, signal, async (client, abortSignal) => {
      try {
        await client.send(command, { abortSignal });
      } catch (error) {
        if (s3ErrorName(error) !== "NoSuchKey") throw error;
      }
    });
  }

  async unfinished(prefix: string, signal: AbortSignal): Promise<Unfinished[]> {
    const { bucket } = this.#s3;
    const found: Unfinished[] = [];
    let at: string | undefined;
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
    do {
      const Prefix = this.#root + prefix;
      const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
        Bucket: bucket,
        Prefix,
        ...marker,
      });
      const page: ListMultipartUploadsCommandOutput = await this.#send(
        "s3:ListBucketMultipartUploads",
        "",
        signal,
        (client, abortSignal) => client.send(command, { abortSignal }),
      );
      for (const { Key, UploadId, Initiated = new Date() } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || !Key.startsWith(Prefix)) continue;
        found.push({ key: Key.slice(this.#root.length), id: UploadId, begun: Initiated });
      }
      const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
      const next = KeyMarker === undefined ? undefined : JSON.stringify([KeyMarker, UploadIdMarker]);
      at = nextPage(this.name, IsTruncated, next, at);
      marker = {
        ...(KeyMarker === undefined ? {} : { KeyMarker }),
        ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }),
      };
    } while (at !== undefined);
    return found;
  }

  async discard(unfinished: readonly Omit<Unfinished, "begun">[], signal: AbortSignal): Promise<void> {
    for (const { key, id } of unfinished) {
      try {
        await abortUpload(this.#s3, this.#s3.bucket, this.#root + key, id, signal);
      } catch (error) {
        // Its owner has finished or aborted it since.
        if (!isGone(error)) throw error;
      }
    }
  }

  async checkLargeFiles(key: string, signal: AbortSignal): Promise<void> {
    const target = { Bucket: this.#s3.bucket, Key: this.#root + key, ...this.#encryption };
    await uploadParts(this.#s3, target, [Buffer.from("replayport")], signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#s3.close();
    return Promise.resolve();
  }

  /** Reads the body within `#send`, since it can break off too. */
  async #get<Answer>(
    key: string,
    range: { readonly Range?: string },
    read: (body: GetObjectCommandOutput["Body"]) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer | undefined> {
    const { bucket } = this.#s3;
    return await this.#send("s3:GetObject", key, signal, async (client, abortSignal) => {
      try {
        const command = new GetObjectCommand({ Bucket: bucket, Key: this.#root + key, ...range });
        return await read((await client.send(command, { abortSignal })).Body);
      } catch (error) {
        if (s3ErrorName(error) === "NoSuchKey") return undefined;
        // The range begins at or after the object's end.
        if (s3Status(error) === 416) return await read(undefined);
        throw error;
      }
    });
  }

  /** `key` is relative to the store; "" stands for the bucket. */
  #send<Answer>(
    action: string,
    key: string,
    signal: AbortSignal,
    request: (client: S3Client, signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#s3.send(request, { action, key: key === "" ? "" : this.#root + key }, signal);
  }
}

function contentType(content: string | Uint8Array): string {
  return typeof content === "string" ? "application/json" : "application/octet-stream";
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "store.vanished";
}
