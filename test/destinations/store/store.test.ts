/** Both stores against the one contract. */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { S3Bucket } from "../../../destinations/store/s3_options.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import { s3Server, type S3Server, seaweedfsServer } from "../../support/s3.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { versitygwServer } from "../../support/versitygw.ts";
import type { Unavailable } from "../../support/tools.ts";
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

const bucketOf = ({ endpoint, region, credentials }: S3Server, bucket: string): S3Bucket & { prefix: string } => ({
  bucket,
  prefix: "acme/replays",
  endpoint,
  region,
  credentials,
  forcePathStyle: true,
});

function onS3(name: string, server: S3Server | Unavailable): StoreHarness {
  if ("skip" in server) {
    const none = (): never => {
      throw new Error(server.skip);
    };
    return { name, skip: server.skip, datesUnfinished: false, open: none, openBroken: none };
  }
  return {
    name,
    skip: false,
    datesUnfinished: server.datesUnfinished,
    async open() {
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
      const options = bucketOf(server, "replayport-no-such-bucket");
      const credentials = { accessKeyId: "replayport-test-id", secretAccessKey: "wrong" };
      // moto checks no signature.
      return new S3Store(server.knowsBuckets ? options : { ...options, credentials });
    },
  };
}

const servers = { S3: s3Server, SeaweedFS: seaweedfsServer, versitygw: versitygwServer };
const onServers = Object.entries(servers).map(async ([name, server]) => onS3(name, await server()));
for (const harness of [onDisk, ...(await Promise.all(onServers))]) testStore(harness);
