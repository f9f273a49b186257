import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

conformance("s3", HARNESSES.s3);
