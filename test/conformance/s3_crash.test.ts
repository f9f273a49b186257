import { crashes } from "./crash.ts";
import { HARNESSES } from "./harnesses.ts";

crashes("s3", HARNESSES.s3);
