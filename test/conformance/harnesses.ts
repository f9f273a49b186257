import { bigqueryHarness } from "../destinations/bigquery/harness.ts";
import type { HarnessResult } from "./harness.ts";
import { fileLake, s3Lake } from "../destinations/lake/harness.ts";
import { snowflakeHarness } from "../destinations/snowflake/harness.ts";

/** By the destination's `type` in the config. A destination that is registered without one fails the tests. */
export const HARNESSES: Readonly<Record<string, () => Promise<HarnessResult>>> = {
  file: fileLake,
  s3: s3Lake,
  bigquery: bigqueryHarness,
  snowflake: snowflakeHarness,
};
