import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

conformance("file", HARNESSES.file);
