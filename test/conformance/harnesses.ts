import type { DestinationType } from "../../destinations/options.ts";
import { bigqueryHarness } from "../destinations/bigquery/harness.ts";
import type { HarnessResult } from "./harness.ts";
import { fileLake, s3Lake } from "../destinations/lake/harness.ts";
import { snowflakeHarness } from "../destinations/snowflake/harness.ts";

/** By the destination's `type` in the config. A type without a harness doesn't compile. */
export const HARNESSES: Readonly<Record<DestinationType, () => Promise<HarnessResult>>> = {
  file: fileLake,
  s3: s3Lake,
  bigquery: bigqueryHarness,
  snowflake: snowflakeHarness,
};
