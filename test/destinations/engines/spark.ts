/**
 * `node test/destinations/engines/spark.ts`: runs the statements of `replayport sql --engine spark` on Spark, over a lake with everything that
 * a format may stumble over, and compares every row with the source. By hand: Spark takes 400 MB and a minute, and needs Java 17.
 * test/destinations/engines/README.md has what it printed.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRowsSql, DEFAULT_PATH, openLakeOn } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { type ExportDefinition, fileExtension } from "../../../src/export/definition.ts";
import { exportedColumns } from "../../../src/models/session_replays_query.ts";
import { formatSource } from "../source_formats.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";
import { pythonEnvironment, run } from "../../support/tools.ts";

const PYSPARK = "pyspark==4.0.1";
const MINUTES_5 = 300_000;
const RUN = `
import json, sys
from pyspark.sql import SparkSession
statements, query, warehouse = json.load(open(sys.argv[1]))
# A time zone that isn't UTC: times are times, wherever they are read.
spark = (SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "America/New_York")
  .config("spark.sql.warehouse.dir", warehouse).config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1")
  .config("spark.driver.host", "127.0.0.1").config("spark.log.level", "ERROR").getOrCreate())
for statement in statements: spark.sql(statement)
print(json.dumps({"spark": spark.version, "rows": [json.loads(row[0]) for row in spark.sql(query).collect()]}))
`;

const python = join(await pythonEnvironment("spark", [PYSPARK]), "bin", "python");
let version = "";

/** The lake's rows, by Spark. */
async function rowsOf(definition: ExportDefinition, lake: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-spark-"));
  try {
    const sql = currentRowsSql({
      reader: "spark",
      options: { type: "file", path: lake },
      export: definition.name,
      folders: [
        { path: DEFAULT_PATH, extension: fileExtension(definition.format, definition.compression), columns: [] },
      ],
      columns: exportedColumns(definition.selection),
      key: ["team_id", "session_id"],
    });
    const items = FIELDS.map(
      ({ field, column: { name, type } }) => `${type === "timestamp" ? `unix_micros(${name})` : name} AS ${field}`,
    );
    const query = `SELECT to_json(struct(concat(team_id, '/', session_id) AS key, ${items.join(", ")}), map('ignoreNullFields', 'false'))
FROM \`${definition.name}\` ORDER BY team_id, session_id`;
    const statements = sql.split(/;\s*(?:\n\n|$)/).filter((statement) => statement.trim() !== "");
    const [input, script] = [join(folder, "input.json"), join(folder, "run.py")];
    await writeFile(input, JSON.stringify([statements, query, join(folder, "warehouse")]));
    await writeFile(script, RUN);
    const { stdout } = await run(python, [script, input], { cwd: folder, timeout: MINUTES_5 });
    const printed = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { spark: string; rows: Row[] };
    version = printed.spark;
    return printed.rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function sparkTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-spark-"));
  const deps = { version: "test", installation: "here", onWarning: () => undefined };
  return {
    open: (now, { path }) => openLakeOn(new DiskStore(folder), {}, { export: definition.name, path }, { ...deps, now }),
    rows: async () => await rowsOf(definition, folder),
    shown: (row) => {
      if (row["deleted"] === true) return { ...row, first_url: null, urls: null };
      // Spark's CSV doesn't tell the text \N from NULL; the README says so of CSV.
      return definition.format === "csv" && row["first_url"] === String.raw`\N` ? { ...row, first_url: null } : row;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

await using source = await formatSource();
for (const shape of [
  { format: "parquet", compression: "zstd" },
  { format: "jsonl", compression: "gzip" },
  { format: "csv", compression: "gzip" },
] as const) {
  await source.shows(sparkTarget, shape, AbortSignal.timeout(MINUTES_5));
  console.log(`Spark ${version}: ${shape.format}, ${shape.compression}: every row as in the source`);
}
