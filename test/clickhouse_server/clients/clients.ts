/**
 * `node test/clickhouse_server/clients/clients.ts JAR…`: ClickHouse's own clients ask the embedded engine, as `replayport clickhouse`
 * runs it. By hand: it needs Python 3 with pip, Java 17 and Maven's `com.clickhouse:clickhouse-jdbc:0.9.0:all` and
 * `org.slf4j:slf4j-api:2.0.17` as the arguments. docs/commands.md says what came of it.
 */
import { delimiter, join } from "node:path";
import { embedded } from "../../support/embedded.ts";
import { pythonEnvironment, run } from "../../support/tools.ts";

const MINUTE = 60_000;
const PACKAGES = ["clickhouse-connect==1.12.0", "connectorx==0.4.6", "pandas==3.1.1", "pyarrow==26.0.1"];

const python = join(await pythonEnvironment("clickhouse-clients", PACKAGES), "bin", "python");
await using engine = await embedded({ outside: false });
const { port } = new URL(engine.url);
const here = import.meta.dirname;
const clients: readonly (readonly [string, ...string[]])[] = [
  ["java", "-cp", process.argv.slice(2).join(delimiter), join(here, "Jdbc.java"), port],
  [python, join(here, "connect.py"), port],
];
for (const [program, ...args] of clients) {
  const { stdout } = await run(program, args, { timeout: MINUTE });
  process.stdout.write(stdout);
}
