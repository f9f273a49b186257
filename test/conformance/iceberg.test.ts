import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

conformance("iceberg", HARNESSES.iceberg);
