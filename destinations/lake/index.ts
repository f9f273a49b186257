/** The lake destination: files and manifests on S3 or on local disk, the same layout on both. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { type Destination, type DestinationDeps, type DestinationExport, FILE_BYTES } from "../destination.ts";
import { DiskStore } from "../store/disk_store.ts";
import { Lake } from "./lake.ts";
import type { FileLakeOptions, LakeOptions } from "./options.ts";
import { DEFAULT_PATH, globPath } from "./path_template.ts";
import type { Store } from "../store/store.ts";

export type { FileLakeOptions, LakeOptions, S3LakeOptions } from "./options.ts";
export type { AssumeRole, S3Bucket, S3Credentials, S3Encryption } from "../store/s3_options.ts";
export { DEFAULT_PATH, pathGranularity, renderPath, type PathGranularity } from "./path_template.ts";
export { joinFolders, loadedFolders } from "./folders.ts";
export { currentRowsSql, READERS, type Follow, type Reader, type ReadRequest, unreadableParts } from "./read_sql.ts";

const KEEP_REPLACED_MS = 3_600_000;

/** A lake in a folder; s3.ts has the one in a bucket. @throws as `openLakeOn` */
export function openFileLake(
  options: FileLakeOptions,
  forExport: DestinationExport,
  deps: DestinationDeps,
): Destination {
  return openLakeOn(new DiskStore(options.path), options, forExport, deps);
}

/** A lake on any store. Sends nothing yet. @throws ReplayportError if the export's name or its path can't be used. */
export function openLakeOn(
  store: Store,
  { fileBytes = FILE_BYTES, keepReplacedMs = KEEP_REPLACED_MS }: Pick<LakeOptions, "fileBytes" | "keepReplacedMs">,
  { export: name, path = DEFAULT_PATH }: DestinationExport,
  { now, version, installation, memory, onWarning }: DestinationDeps,
): Destination {
  // The name becomes a folder of manifests.
  if (!/^[A-Za-z0-9][\w-]*$/.test(name)) {
    throw new ReplayportError(
      `an export in a lake can't be called ${JSON.stringify(name)}`,
      giveUp("lake.export_name", "Use letters, digits, underscores and hyphens, and begin with a letter or a digit."),
    );
  }
  // Throws if the template can't be used.
  globPath(path, name);
  const given = { ...(installation === undefined ? {} : { installation }), ...(memory ? { memory } : {}) };
  return new Lake({ store, export: name, path, keepReplacedMs, now, version, ...given, onWarning }, fileBytes);
}
