/** Files that ClickHouse itself wrote, in every format: what a warehouse shows is what the source holds. */
import { after, before, suite, test } from "node:test";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Row } from "../support/replay_rows.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { embeddedSkip } from "../support/embedded.ts";
import { bigqueryChaosTarget } from "./bigquery/chaos_target.ts";
import { bigquerySkip } from "./bigquery/fixture.ts";
import { snowflakeChaosTarget } from "./snowflake/chaos_target.ts";
import { skip as snowflakeSkip } from "./snowflake/fixture.ts";
import { type FormatSource, formatSource } from "./source_formats.ts";

type Shape = readonly [ExportDefinition["format"], ExportDefinition["compression"]];

interface Warehouse {
  readonly name: string;
  readonly skip: string | false;
  readonly open: (definition: ExportDefinition) => Promise<ChaosTarget>;
  readonly shapes: readonly Shape[];
}

const WAREHOUSES: readonly Warehouse[] = [
  {
    name: "BigQuery",
    skip: await bigquerySkip(),
    open: bigqueryChaosTarget,
    shapes: [
      ["parquet", "zstd"],
      ["parquet", "snappy"],
      ["jsonl", "gzip"],
      ["jsonl", "none"],
      ["csv", "gzip"],
      ["csv", "none"],
    ],
  },
  {
    name: "Snowflake",
    skip: snowflakeSkip,
    open: async (definition) => {
      const target = await snowflakeChaosTarget(definition);
      return definition.format === "csv" ? { ...target, shown: (row) => withoutBareNull(target.shown(row)) } : target;
    },
    shapes: [
      ["parquet", "zstd"],
      ["parquet", "snappy"],
      ["jsonl", "gzip"],
      ["jsonl", "brotli"],
      ["csv", "zstd"],
      ["csv", "none"],
    ],
  },
];

/** NULL_IF knows no quotes: in CSV a text of nothing but \N can't be told from NULL. */
function withoutBareNull(row: Row): Row {
  return row["first_url"] === String.raw`\N` ? { ...row, first_url: null } : row;
}

for (const { name, skip, open, shapes } of WAREHOUSES) {
  suite(`${name}: files that ClickHouse wrote`, { skip: embeddedSkip === false ? skip : embeddedSkip }, () => {
    let source: FormatSource;
    before(async () => {
      source = await formatSource();
    });
    after(async () => await source[Symbol.asyncDispose]());

    for (const [format, compression] of shapes) {
      test(
        `${name} shows what the source holds, from ${format} with compression ${compression}`,
        { timeout: 120_000 },
        async ({ signal }) => {
          await source.shows(open, { format, compression }, signal);
        },
      );
    }
  });
}
