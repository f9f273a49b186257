import { crashes } from "./crash.ts";
import { HARNESSES } from "./harnesses.ts";

crashes("iceberg", HARNESSES.iceberg);
