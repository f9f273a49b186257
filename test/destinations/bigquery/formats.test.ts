/** Files that ClickHouse itself has written, in every format: what BigQuery shows is what the source holds. */
import { suite, test } from "node:test";
import { embeddedSkip } from "../../support/embedded.ts";
import { bigqueryPlace } from "./chaos_target.ts";
import { bigquerySkip } from "./fixture.ts";
import { showsWhatTheSourceHolds } from "../source_formats.ts";

const skip = embeddedSkip === false ? await bigquerySkip() : embeddedSkip;

suite("bigquery: ClickHouse's own files", { skip, concurrency: false }, () => {
  for (const [format, compression] of [
    ["parquet", "zstd"],
    ["parquet", "snappy"],
    ["jsonl", "gzip"],
    ["jsonl", "none"],
    ["csv", "gzip"],
    ["csv", "none"],
  ] as const) {
    test(`${format}, ${compression}`, { timeout: 120_000 }, async ({ signal }) => {
      await showsWhatTheSourceHolds(bigqueryPlace, { format, compression }, signal);
    });
  }
});
