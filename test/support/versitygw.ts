/** versitygw, a third opinion on S3: a gateway in Go that checks signatures and checksums by code of its own. */
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { freePort, startServer } from "./server_process.ts";
import { serverAt, type S3Server } from "./s3.ts";
import { goProgram, type Unavailable } from "./tools.ts";

let opened: Promise<S3Server | Unavailable> | undefined;

/** One for all tests of a process; it ends with the process. */
export function versitygwServer(): Promise<S3Server | Unavailable> {
  opened ??= openVersitygw();
  return opened;
}

async function openVersitygw(): Promise<S3Server | Unavailable> {
  const program = await goProgram("github.com/versity/versitygw/cmd/versitygw", "v1.8.0");
  if (typeof program !== "string") return program;
  const port = await freePort();
  const found = serverAt(`http://127.0.0.1:${port}`, () => Promise.resolve(), {
    datesUnfinished: true,
    knowsBuckets: true,
  });
  const { accessKeyId, secretAccessKey } = found.credentials;
  const env = { ...process.env, ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey };
  // What S3 knows of an object beside its bytes is in files: not every file system of a machine has extended attributes.
  const start = 'mkdir "$TMPDIR/data" "$TMPDIR/about" && exec "$0" "$@" posix --sidecar "$TMPDIR/about" "$TMPDIR/data"';
  const args = ["-c", start, program, "--port", `127.0.0.1:${port}`, "--region", found.region, "--quiet"];
  const works = async (): Promise<boolean> => {
    const Bucket = await found.bucket();
    await found.client.send(new PutObjectCommand({ Bucket, Key: "works", Body: "yes" }));
    return true;
  };
  const server = await startServer("/bin/sh", args, works, env);
  if (!server) return { skip: `${program} doesn't answer` };
  return { ...found, [Symbol.asyncDispose]: () => server.stop() };
}
