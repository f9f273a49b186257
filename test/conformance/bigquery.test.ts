import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

conformance("bigquery", HARNESSES.bigquery);
