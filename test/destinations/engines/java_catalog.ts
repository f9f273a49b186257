/**
 * `node test/destinations/engines/java_catalog.ts [TEST…]`: runs tests of Iceberg tables on Iceberg's own REST catalog, in Java, over
 * SeaweedFS as storage. Default: the conformance suite, its crashes, and the suite for catalogs of one's own. By hand: it needs
 * Java 17 and Maven, and some minutes. The catalog listens on all interfaces while it runs. README.md has what it printed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seaweedfsServer } from "../../support/s3.ts";
import { freePort, startServer } from "../../support/server_process.ts";
import { run, TOOLS } from "../../support/tools.ts";

const DEFAULT_TESTS = [
  "test/conformance/iceberg.test.ts",
  "test/conformance/iceberg_crash.test.ts",
  "test/destinations/iceberg/account.test.ts",
];
const MINUTES_10 = 600_000;
/** Group, artifact, version and, after a colon, the classifier. */
const JARS = [
  "org.apache.iceberg iceberg-core 1.10.1",
  "org.apache.iceberg iceberg-core 1.10.1:tests",
  "org.apache.iceberg iceberg-open-api 1.10.1:test-fixtures",
  "org.apache.iceberg iceberg-aws-bundle 1.10.1",
  "org.apache.iceberg iceberg-aws 1.10.1",
  "org.eclipse.jetty jetty-servlet 11.0.26",
  "org.apache.hadoop hadoop-client-api 3.4.2",
  "org.apache.hadoop hadoop-client-runtime 3.4.2",
  "org.xerial sqlite-jdbc 3.50.3.0",
  "org.slf4j slf4j-simple 2.0.17",
];

/** The folder of the catalog's jars, fetched on the first use. */
async function jars(): Promise<string> {
  const folder = join(TOOLS, "iceberg-rest-jars");
  if (globSync(join(folder, "*.jar")).length > JARS.length) return folder;
  await mkdir(folder, { recursive: true });
  const dependencies = JARS.map((jar) => {
    const [group, artifact, version = ""] = jar.split(" ");
    const [number, classifier] = version.split(":");
    const of = classifier === undefined ? "" : `<classifier>${classifier}</classifier>`;
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${number}</version>${of}</dependency>`;
  });
  const pom = join(folder, "pom.xml");
  const project =
    "<modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>";
  await writeFile(pom, `<project>${project}<dependencies>${dependencies.join("")}</dependencies></project>`);
  const args = ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${folder}`];
  await run("mvn", args, { timeout: MINUTES_10 });
  return folder;
}

const storage = await seaweedfsServer();
if ("skip" in storage) throw new Error(storage.skip);
const { endpoint, region, credentials } = storage;
const bucket = await storage.bucket();
const port = await freePort();
const uri = `http://127.0.0.1:${port}`;
const folder = await mkdtemp(join(tmpdir(), "replayport-catalog-"));
try {
  const env = {
    ...process.env,
    CATALOG_REST_PORT: String(port),
    CATALOG_WAREHOUSE: `s3://${bucket}`,
    CATALOG_URI: `jdbc:sqlite:${join(folder, "catalog.db")}`,
    CATALOG_IO__IMPL: "org.apache.iceberg.aws.s3.S3FileIO",
    CATALOG_S3_ENDPOINT: endpoint,
    CATALOG_S3_PATH__STYLE__ACCESS: "true",
    CATALOG_S3_ACCESS__KEY__ID: credentials.accessKeyId,
    CATALOG_S3_SECRET__ACCESS__KEY: credentials.secretAccessKey,
    CATALOG_CLIENT_REGION: region,
    AWS_REGION: region,
  };
  const java = ["-cp", join(await jars(), "*"), "org.apache.iceberg.rest.RESTCatalogServer"];
  const server = await startServer("java", java, async () => (await fetch(`${uri}/v1/config`)).ok, env);
  if (!server) throw new Error("Iceberg's REST catalog doesn't answer");
  const given = process.argv.slice(2);
  const tests = spawn(
    process.execPath,
    ["--test", "--test-concurrency=1", ...(given.length > 0 ? given : DEFAULT_TESTS)],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        S3_ENDPOINT: endpoint,
        ICEBERG_ENDPOINT: uri,
        ICEBERG_BUCKET: bucket,
        REPLAYPORT_TEST_ICEBERG_URI: uri,
        REPLAYPORT_TEST_ICEBERG_BUCKET: bucket,
        REPLAYPORT_TEST_ICEBERG_ENDPOINT: endpoint,
        REPLAYPORT_TEST_ICEBERG_REGION: region,
        REPLAYPORT_TEST_ICEBERG_ACCESS_KEY_ID: credentials.accessKeyId,
        REPLAYPORT_TEST_ICEBERG_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
    },
  );
  const [code] = (await once(tests, "exit")) as [number | null];
  process.exitCode = code ?? 1;
  await server.stop();
} finally {
  await rm(folder, { recursive: true, force: true });
}
