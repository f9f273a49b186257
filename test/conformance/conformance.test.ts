import { HARNESSES } from "./harnesses.ts";
import { conformance } from "./suite.ts";

for (const [type, open] of Object.entries(HARNESSES)) conformance(type, open);
