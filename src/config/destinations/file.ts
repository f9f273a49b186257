/** A lake in a folder, as the YAML names it. */
import { resolve } from "node:path";
import * as z from "zod";
import type { FileLakeOptions } from "../../../destinations/lake/options.ts";
import { defined } from "../values/defined.ts";
import { field, text } from "../values/fields.ts";
import { onDelete } from "./deletion.ts";
import { keepReplaced } from "./keep_replaced.ts";

export const fileSchema = z
  .strictObject({
    type: z.literal("file").describe("A folder on this machine, or on a mount."),
    path: field(text, "The folder, relative to this file.", "./lake"),
    keep_replaced: keepReplaced,
    on_delete: onDelete,
  })
  .describe("A lake in a folder.");

export function resolveFile(input: z.output<typeof fileSchema>, folder: string): FileLakeOptions {
  const path = resolve(folder, input.path);
  return defined<Omit<FileLakeOptions, "fileBytes">>({
    type: "file",
    path,
    onDelete: input.on_delete,
    keepReplacedMs: input.keep_replaced,
  });
}
