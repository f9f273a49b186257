/** Uploads a staged file as a data file of the table: byte for byte as ClickHouse wrote it, except for the footer, which gets field ids. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { fieldIds, type IcebergSchema } from "../table_format/schema.ts";
import { fileMetrics } from "../table_format/metrics.ts";
import type { Batch, StagedFile } from "../destination.ts";
import { readStaged } from "../files/read_staged.ts";
import { readFooter, withFieldIds } from "../parquet/footer.ts";
import { localFile } from "../parquet/local_file.ts";
import type { DataFile } from "../table_format/manifest.ts";
import type { Storage } from "./storage.ts";
import { allowsBounds } from "./table_settings.ts";

const PART_BYTES = 8 * 1024 * 1024;

/**
 * Changes the end of the staged file in place: it's ours until it's released, and a copy would take as much disk again.
 * @throws ReplayportError `stage.file_changed`
 */
export async function uploadFile(
  storage: Storage,
  schema: IcebergSchema,
  properties: Readonly<Record<string, string>>,
  { columns, key }: Pick<Batch, "columns" | "key">,
  staged: StagedFile,
  path: string,
  signal: AbortSignal,
): Promise<DataFile> {
  await using handle = await open(staged.path, "r+");
  const { start, thrift } = await readFooter(localFile(handle, staged.bytes));
  const hash = await hashUpTo(staged, start, signal);
  const footer = withFieldIds(thrift, fieldIds(schema));
  await handle.truncate(start);
  await handle.write(footer, 0, footer.length, start);
  const bytes = start + footer.length;
  await storage.putFile(path, { path: staged.path, bytes, sha256: hash.update(footer).digest("hex") }, signal);
  // Bounds outlive the rows that they're from, in the table's metadata.
  const bounded = new Set(
    columns
      .filter(({ name, privacy }) => (privacy === "none" || key.includes(name)) && allowsBounds(properties, name))
      .map(({ name }) => name),
  );
  return {
    content: "data",
    path,
    format: "PARQUET",
    bytes,
    ...fileMetrics(thrift, schema, (name) => bounded.has(name)),
  };
}

/** Before anything is read of it: a file that was cut should not look like one that is broken. @throws ReplayportError `stage.file_changed` */
export async function checkStaged(staged: StagedFile, signal: AbortSignal): Promise<void> {
  await hashUpTo(staged, 0, signal);
}

/** The hash of the first bytes. Reads the whole file, and rejects if it isn't what was staged. */
async function hashUpTo(staged: StagedFile, end: number, signal: AbortSignal): Promise<ReturnType<typeof createHash>> {
  const hash = createHash("sha256");
  let at = 0;
  for await (const part of readStaged(staged, PART_BYTES, signal)) {
    if (at < end) hash.update(part.subarray(0, end - at));
    at += part.length;
  }
  return hash;
}
