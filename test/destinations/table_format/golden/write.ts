/**
 * Writes the golden files of one writer anew: `node test/destinations/table_format/golden/write.ts pyiceberg`, or `spark`, which
 * needs Java 17 and the jars of iceberg-spark-runtime-4.0_2.13 and iceberg-aws-bundle, both 1.10.1, in .tools/spark-jars.
 * Their paths and ids are new each time.
 */
import { randomUUID } from "node:crypto";
import { globSync } from "node:fs";
import { join } from "node:path";
import { openCatalog } from "../../../../destinations/catalog/catalog.ts";
import { icebergServer } from "../../../support/iceberg.ts";
import { pythonEnvironment, run, TOOLS } from "../../../support/tools.ts";

const writer = process.argv[2] ?? "pyiceberg";
const server = await icebergServer();
if ("skip" in server) throw new Error(server.skip);
const namespace = `golden_${randomUUID().slice(0, 8)}`;
await openCatalog(server.options("oauth2")).createNamespace([namespace], AbortSignal.timeout(60_000));
const environment =
  writer === "spark" ? await pythonEnvironment("spark", ["pyspark==4.0.1"]) : join(TOOLS, "iceberg");
const given = { catalog: server.properties, namespace, jars: globSync(join(TOOLS, "spark-jars", "*.jar")) };
const script = join(import.meta.dirname, `write_${writer}.py`);
const { stdout } = await run(join(environment, "bin", "python"), [script, JSON.stringify(given)], { timeout: 600_000 });
console.log(stdout);
await server.server[Symbol.asyncDispose]();
