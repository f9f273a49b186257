import type { DestinationType } from "../../destinations/options.ts";
import type { HarnessResult } from "./harness.ts";

/**
 * By the destination's `type` in the config. A type without a harness doesn't compile. Each type has two test files beside
 * this one, so that destinations run side by side; a file imports the SDK of its own destination only.
 */
export const HARNESSES: Readonly<Record<DestinationType, () => Promise<HarnessResult>>> = {
  file: async () => await (await import("../destinations/lake/harness.ts")).fileLake(),
  s3: async () => await (await import("../destinations/lake/harness.ts")).s3Lake(),
  iceberg: async () => await (await import("../destinations/iceberg/harness.ts")).icebergHarness(),
  bigquery: async () => await (await import("../destinations/bigquery/harness.ts")).bigqueryHarness(),
  snowflake: async () => await (await import("../destinations/snowflake/harness.ts")).snowflakeHarness(),
};
