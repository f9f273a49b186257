/** Copies a data file of the table to a new one without its dead rows. */
import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { namesByFieldId } from "../parquet/columns.ts";
import { copyDifference, copyRows } from "../parquet/copy_rows.ts";
import { readFooter } from "../parquet/footer.ts";
import { localFile } from "../parquet/local_file.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { fileMetrics } from "../table_format/metrics.ts";
import type { IcebergSchema } from "../table_format/schema.ts";
import type { DeadRows } from "./dead_rows.ts";
import type { Storage } from "./storage.ts";

const PART_BYTES = 8 * 1024 * 1024;

/**
 * @param folder on this machine, for the file and its copy
 * @param path that the copy gets
 * @throws ReplayportError `iceberg.copy_differs`, `iceberg.unreadable_file`
 */
export async function copyFile(
  storage: Storage,
  schema: IcebergSchema,
  { file, dead }: { readonly file: DataFile; readonly dead: DeadRows },
  folder: string,
  path: string,
  signal: AbortSignal,
): Promise<DataFile> {
  const [local, copied] = [join(folder, "file.parquet"), join(folder, "copy.parquet")];
  try {
    await download(storage, file, local, signal);
    await using source = await open(local, "r");
    const range = localFile(source, file.bytes);
    const keeps = (row: number): boolean => !dead.has(row);
    try {
      await copyRows(range, keeps, copied, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw uncopied("iceberg.unreadable_file", file, messageOf(error), error);
    }
    await using handle = await open(copied, "r");
    const { size: bytes } = await handle.stat();
    const copy = localFile(handle, bytes);
    const difference = await copyDifference(range, keeps, copy, signal);
    if (difference !== undefined) throw uncopied("iceberg.copy_differs", file, `its copy differs: ${difference}`);

    await storage.putFile(path, { path: copied, bytes, sha256: await hashOf(handle, bytes) }, signal);
    const { thrift } = await readFooter(copy);
    // A column may have been renamed since the file was written: then its path in the file has the old name.
    const names = await namesByFieldId(copy);
    const inFile = {
      ...schema,
      fields: schema.fields.map((field) => ({ ...field, name: names.get(field.id) ?? field.name })),
    };
    const bounded = new Set(
      schema.fields.flatMap(({ id }, at) => (file.lowerBounds?.has(id) === true ? [inFile.fields[at]?.name] : [])),
    );
    return {
      content: "data",
      path,
      format: "PARQUET",
      bytes,
      ...fileMetrics(thrift, inFile, (name) => bounded.has(name)),
    };
  } finally {
    await rm(local, { force: true });
    await rm(copied, { force: true });
  }
}

async function download(
  storage: Storage,
  { path, bytes }: DataFile,
  local: string,
  signal: AbortSignal,
): Promise<void> {
  await using handle = await open(local, "wx");
  const range = storage.range(path, bytes, signal);
  for (let at = 0; at < bytes; at += PART_BYTES) {
    await handle.writeFile(await range.read(at, Math.min(bytes, at + PART_BYTES)));
  }
}

async function hashOf(handle: FileHandle, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const range = localFile(handle, bytes);
  for (let at = 0; at < bytes; at += PART_BYTES) hash.update(await range.read(at, Math.min(bytes, at + PART_BYTES)));
  return hash.digest("hex");
}

function uncopied(code: string, { path }: DataFile, what: string, cause?: unknown): ReplayportError {
  return new ReplayportError(`${path} can't be written again without its dead rows: ${what}; nothing was changed`, {
    ...giveUp(code, "Let an engine compact the table instead, such as Spark's rewrite_data_files."),
    cause,
  });
}
