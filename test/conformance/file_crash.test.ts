import { crashes } from "./crash.ts";
import { HARNESSES } from "./harnesses.ts";

crashes("file", HARNESSES.file);
