import type { Case } from "./harness.ts";
import { AUDIT_CASES } from "./cases/audit.ts";
import { CHECK_CASES } from "./cases/check.ts";
import { CONCURRENCY_CASES } from "./cases/concurrency.ts";
import { FAILURE_CASES } from "./cases/failure.ts";
import { LEDGER_CASES } from "./cases/ledger.ts";
import { LOAD_CASES } from "./cases/load.ts";
import { RECORD_CASES } from "./cases/records.ts";
import { VERSION_CASES } from "./cases/version.ts";

/** Every promise at the head of destinations/destination.ts, as data: run by conformance(), and against wrong destinations. */
export const CASES: readonly Case[] = [
  ...LOAD_CASES,
  ...VERSION_CASES,
  ...FAILURE_CASES,
  ...CONCURRENCY_CASES,
  ...LEDGER_CASES,
  ...CHECK_CASES,
  ...AUDIT_CASES,
  ...RECORD_CASES,
];
