/** `node test/destinations/table_format/golden/write.ts` writes the golden files of PyIceberg anew. Then read the diff of the test. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { openCatalog } from "../../../../destinations/catalog/catalog.ts";
import { icebergPython, icebergServer } from "../../../support/iceberg.ts";

const server = await icebergServer();
if ("skip" in server) throw new Error(server.skip);
const python = await icebergPython();
if ("skip" in python) throw new Error(python.skip);
const { catalog, credentials, endpoint, region, tableBucket } = server.server;
const namespace = `golden_${randomUUID().slice(0, 8)}`;
await openCatalog(server.options("oauth2")).createNamespace([namespace], AbortSignal.timeout(60_000));
const settings = {
  type: "rest",
  uri: catalog,
  warehouse: tableBucket,
  credential: `${credentials.accessKeyId}:${credentials.secretAccessKey}`,
  "oauth2-server-uri": `${catalog}/v1/oauth/tokens`,
  "s3.endpoint": endpoint,
  "s3.region": region,
  "s3.access-key-id": credentials.accessKeyId,
  "s3.secret-access-key": credentials.secretAccessKey,
};
console.log(await python(join(import.meta.dirname, "write_pyiceberg.py"), JSON.stringify({ catalog: settings, namespace })));
await server.server[Symbol.asyncDispose]();
