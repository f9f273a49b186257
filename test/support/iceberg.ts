/** An Iceberg catalog with its storage, for tests, and Python with readers of its tables. */
import { join } from "node:path";
import { parseJson } from "../../destinations/table_format/json.ts";
import type { CatalogOptions } from "../../destinations/catalog/options.ts";
import type { S3Bucket } from "../../destinations/store/s3_options.ts";
import { type CatalogServer, catalogServer } from "./s3.ts";
import { firstLine, pythonEnvironment, run, type Unavailable } from "./tools.ts";

export interface IcebergServer {
  readonly server: CatalogServer;
  readonly storage: S3Bucket;
  /** How a client reaches the catalog. @param uri of a proxy before it */
  options(way: "oauth2" | "sigv4", uri?: string): CatalogOptions;
  /** The same by OAuth2, as PyIceberg and Iceberg's Java write it. */
  readonly properties: Readonly<Record<string, string>>;
}

/** SeaweedFS: one server for all tests of a process, which ends with it. */
export async function icebergServer(): Promise<IcebergServer | Unavailable> {
  const server = await catalogServer();
  if ("skip" in server) return server;
  const { catalog, tableBucket, credentials, region, endpoint } = server;
  return {
    server,
    storage: { bucket: tableBucket, endpoint, region, credentials, forcePathStyle: true },
    options: (way, uri = catalog) => ({
      uri,
      warehouse: tableBucket,
      auth:
        way === "oauth2"
          ? {
              type: "oauth2",
              clientId: credentials.accessKeyId,
              clientSecret: credentials.secretAccessKey,
              tokenUrl: `${catalog}/v1/oauth/tokens`,
            }
          : { type: "sigv4", service: "s3tables", region, credentials },
    }),
    properties: {
      type: "rest",
      uri: catalog,
      warehouse: tableBucket,
      credential: `${credentials.accessKeyId}:${credentials.secretAccessKey}`,
      "oauth2-server-uri": `${catalog}/v1/oauth/tokens`,
      "s3.endpoint": endpoint,
      "s3.region": region,
      "s3.access-key-id": credentials.accessKeyId,
      "s3.secret-access-key": credentials.secretAccessKey,
    },
  };
}

/** The versions of DuckDB and its extensions must agree exactly; there are no extensions for 1.5.6. */
const READERS = [
  "pyiceberg==0.12.0",
  "pyarrow==26.0.1",
  "fastavro==1.13.1",
  "duckdb==1.5.5",
  ...["iceberg", "avro", "httpfs"].map((name) => `duckdb-extension-${name}==1.5.5`),
];
const SCRIPT_MS = 120_000;

/** The folder of a Python environment with PyIceberg, DuckDB and fastavro. */
export async function icebergEnvironment(): Promise<string | Unavailable> {
  try {
    return await pythonEnvironment("iceberg", READERS);
  } catch (error) {
    return { skip: `PyIceberg could not be installed (${firstLine(error)}): install Python 3 with pip` };
  }
}

/** Runs a Python script of ours in that environment, and gives what it prints as JSON. */
export async function icebergPython(): Promise<
  ((script: string, ...args: readonly string[]) => Promise<unknown>) | Unavailable
> {
  const environment = await icebergEnvironment();
  if (typeof environment !== "string") return environment;
  const python = join(environment, "bin", "python");
  return async (script, ...args) => {
    const { stdout } = await run(python, [script, ...args], { timeout: SCRIPT_MS, maxBuffer: 2 ** 28 });
    return parseJson(stdout);
  };
}
