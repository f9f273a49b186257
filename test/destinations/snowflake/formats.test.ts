/** Files that ClickHouse itself has written, in every format: what Snowflake shows is what the source holds. */
import { suite, test } from "node:test";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { embeddedSkip } from "../../support/embedded.ts";
import type { Place } from "../../chaos/target.ts";
import { snowflakePlace } from "./chaos_target.ts";
import type { Row } from "../../chaos/source_rows.ts";
import { skip as snowflakeSkip } from "./fixture.ts";
import { showsWhatTheSourceHolds } from "../source_formats.ts";

/** NULL_IF knows no quotes: in CSV a text of nothing but \N cannot be told from NULL. */
async function csvPlace(definition: ExportDefinition): Promise<Place> {
  const place = await snowflakePlace(definition);
  const noText = (row: Row): Row => (row["first_url"] === String.raw`\N` ? { ...row, first_url: null } : row);
  return { ...place, shown: (row) => noText(place.shown(row)) };
}

const skip = embeddedSkip === false ? snowflakeSkip : embeddedSkip;

suite("Snowflake: ClickHouse's own files", { skip }, () => {
  for (const [format, compression] of [
    ["parquet", "zstd"],
    ["parquet", "snappy"],
    ["jsonl", "gzip"],
    ["jsonl", "brotli"],
    ["csv", "zstd"],
    ["csv", "none"],
  ] as const) {
    test(`${format}, ${compression}`, { timeout: 120_000 }, async ({ signal }) => {
      await showsWhatTheSourceHolds(format === "csv" ? csvPlace : snowflakePlace, { format, compression }, signal);
    });
  }
});
