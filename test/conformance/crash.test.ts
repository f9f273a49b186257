import { crashes } from "./crash.ts";
import { HARNESSES } from "./harnesses.ts";

for (const [type, open] of Object.entries(HARNESSES)) crashes(type, open);
