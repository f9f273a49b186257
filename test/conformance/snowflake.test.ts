import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

conformance("snowflake", HARNESSES.snowflake);
