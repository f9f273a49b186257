/**
 * An S3 server for tests: the one of S3_ENDPOINT, else `moto_server` on the PATH, else moto in a Python environment of its
 * own under .tools, which is made on the first use. Where none works, tests are told why, and what would run them.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, Socket, type AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

const MOTO = "moto[server]==5.2.1";
const TOOLS = join(import.meta.dirname, "..", "..", ".tools");
/** The file that marks an environment as whole. */
const WHOLE = "replayport-whole";
const INSTALL_MS = 180_000;
const START_MS = 60_000;

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** For what tests look at or put there themselves. */
  readonly client: S3Client;
  /** Makes a bucket that nobody has used. */
  bucket(): Promise<string>;
}

export interface Unavailable {
  /** What is missing and what would run the tests. */
  readonly skip: string;
}

let opened: Promise<S3Server | Unavailable> | undefined;

/** One server for all tests of a process; it ends with the process. */
export function s3Server(): Promise<S3Server | Unavailable> {
  opened ??= openS3Server();
  return opened;
}

export async function openS3Server(): Promise<S3Server | Unavailable> {
  const given = process.env["S3_ENDPOINT"];
  if (given !== undefined && given !== "") return serverAt(given, () => Promise.resolve());
  const onPath = await programOnPath();
  const server = onPath === undefined ? undefined : await startMoto(onPath);
  if (server) return server;
  try {
    const program = await installedMoto();
    return (await startMoto(program)) ?? unavailable(`${program} does not answer`);
  } catch (error) {
    return unavailable(`moto could not be installed: ${error instanceof Error ? error.message.split("\n")[0] : ""}`);
  }
}

/**
 * Ends the server when its input ends. That is when our process does, in whatever way: a run of tests that is killed must
 * not leave servers behind.
 */
const UNTIL_INPUT_ENDS = '"$0" "$@" & server=$!; read _; kill -9 $server; wait $server';

async function startMoto(program: string): Promise<S3Server | undefined> {
  // A program that is there need not work: a shim of a version manager, for example, may lead nowhere.
  const works = await promisify(execFile)(program, ["--help"], { timeout: START_MS }).catch(() => undefined);
  if (!works) return undefined;
  const port = await freePort();
  const child = spawn("/bin/sh", ["-c", UNTIL_INPUT_ENDS, program, "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Nor must the server keep the tests from ending.
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  };
  if (await answers(endpoint, child)) return serverAt(endpoint, stop);
  await stop();
  return undefined;
}

function serverAt(endpoint: string, close: () => Promise<void>): S3Server {
  const credentials = {
    accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "replayport-test-id",
    secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "replayport-test-secret",
  };
  const region = process.env["AWS_REGION"] ?? "us-east-1";
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  return {
    endpoint,
    region,
    credentials,
    client,
    async bucket() {
      const Bucket = `replayport-${randomBytes(8).toString("hex")}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      return Bucket;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await close();
    },
  };
}

async function programOnPath(): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const program = join(folder, "moto_server");
    if (await exists(program)) return program;
  }
  return undefined;
}

async function installedMoto(): Promise<string> {
  const environment = join(TOOLS, "moto");
  if (!(await exists(join(environment, WHOLE)))) await install(environment);
  return join(environment, "bin", "moto_server");
}

/**
 * Test files run at the same time, so one of them installs and the others wait; an environment cannot be moved
 * (its scripts name their interpreter), so a mark that is written last says that it is whole. A lock whose owner died is taken over when it is older than an installation may take.
 */
async function install(environment: string): Promise<void> {
  const run = promisify(execFile);
  await mkdir(TOOLS, { recursive: true });
  const lock = `${environment}.lock`;
  const until = Date.now() + INSTALL_MS;
  while (!(await makeFolder(lock))) {
    if (await exists(join(environment, WHOLE))) return;
    if (Date.now() > until) {
      await rm(lock, { recursive: true, force: true });
      throw new Error("another installation did not come to an end");
    }
    await setTimeout(250);
  }
  try {
    if (await exists(join(environment, WHOLE))) return;
    await rm(environment, { recursive: true, force: true });
    const limits = { timeout: INSTALL_MS };
    await run("python3", ["-m", "venv", environment], limits);
    await run(join(environment, "bin", "pip"), ["install", "--quiet", MOTO], limits);
    await writeFile(join(environment, WHOLE), MOTO);
  } catch (error) {
    await rm(environment, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch {
    return false;
  }
}

async function answers(endpoint: string, child: ChildProcess): Promise<boolean> {
  const until = Date.now() + START_MS;
  while (Date.now() < until && child.exitCode === null) {
    try {
      await fetch(endpoint);
      return true;
    } catch {
      await setTimeout(50);
    }
  }
  return false;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function unavailable(reason: string): Unavailable {
  return { skip: `no S3 server (${reason}): set S3_ENDPOINT, or install Python 3 with pip, or moto[server]` };
}
