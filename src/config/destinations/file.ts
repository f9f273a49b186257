/** A lake in a folder, as the YAML names it. */
import { resolve } from "node:path";
import * as z from "zod";
import type { FileLakeOptions } from "../../../destinations/lake/options.ts";
import { field, text } from "../values/fields.ts";

export const fileSchema = z
  .strictObject({
    type: z.literal("file").describe("A folder on this machine, or on a mount."),
    path: field(text, "The folder, relative to this file.", "./lake"),
  })
  .describe("A lake in a folder.");

export function resolveFile(input: z.output<typeof fileSchema>, folder: string): FileLakeOptions {
  return { type: "file", path: resolve(folder, input.path) };
}
