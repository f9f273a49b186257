/** Both stores against the one contract. */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { S3Bucket } from "../../../destinations/store/s3_options.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import { s3Server, type S3Server } from "../../support/s3.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { type StoreHarness, testStore } from "./suite.ts";

const onDisk: StoreHarness = {
  name: "disk",
  datesUnfinished: true,
  skip: false,
  async open() {
    const folder = await temporaryFolder();
    return {
      store: new DiskStore(folder.path),
      async beginWriting(key) {
        const path = join(folder.path, dirname(key), `.${basename(key)}.0123456789ab.tmp`);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, "half");
      },
      [Symbol.asyncDispose]: () => folder.remove(),
    };
  },
  // A file where the folder should be: refused to root too, unlike permissions.
  openBroken: () => new DiskStore(import.meta.filename),
};

const server = await s3Server();

const bucketOf = ({ endpoint, region, credentials }: S3Server, bucket: string): S3Bucket & { prefix: string } => ({
  bucket,
  prefix: "acme/replays",
  endpoint,
  region,
  credentials,
  forcePathStyle: true,
});

const onS3: StoreHarness = {
  name: "S3",
  datesUnfinished: false,
  skip: "skip" in server ? server.skip : false,
  async open() {
    if ("skip" in server) throw new Error(server.skip);
    const bucket = await server.bucket();
    const options = bucketOf(server, bucket);
    const store = new S3Store(options);
    return {
      store,
      async beginWriting(key) {
        const Key = `${options.prefix}/${key}`;
        await server.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
      },
      [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
    };
  },
  openBroken() {
    if ("skip" in server) throw new Error(server.skip);
    return new S3Store(bucketOf(server, "replayport-no-such-bucket"));
  },
};

for (const harness of [onDisk, onS3]) testStore(harness);
