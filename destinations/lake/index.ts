/** The lake destination: files and manifests on S3 or on local disk, the same layout on both. */
import { ReplayportError } from "../../src/errors.ts";
import type { Destination } from "../destination.ts";
import { DiskStore } from "../store/disk_store.ts";
import { Lake } from "./lake.ts";
import { DEFAULT_FILE_BYTES, type LakeDeps, type LakeExport, type LakeOptions } from "./options.ts";
import { globPath } from "./path_template.ts";
import { S3Store } from "../store/s3_store.ts";
import type { Store } from "../store/store.ts";

export type { FileLakeOptions, LakeDeps, LakeExport, LakeOptions, S3LakeOptions } from "./options.ts";
export type { AssumeRole, S3Bucket, S3Credentials, S3Encryption } from "../store/s3_options.ts";
export { DEFAULT_PATH, pathGranularity, renderPath, type PathGranularity } from "./path_template.ts";
export { currentRowsSql, READERS, type Follow, type Reader, type ReadRequest } from "./read_sql.ts";

/** Asks nothing of the store yet. @throws ReplayportError where the export's name or its path cannot be used. */
export function openLake(options: LakeOptions, forExport: LakeExport, deps: LakeDeps): Destination {
  return openLakeOn(openStore(options), options.fileBytes, forExport, deps);
}

/** A lake on any store: what the tests of faults use. */
export function openLakeOn(
  store: Store,
  fileBytes: number | undefined,
  forExport: LakeExport,
  deps: LakeDeps,
): Destination {
  // The name becomes a folder among the manifests.
  if (!/^[A-Za-z0-9][\w-]*$/.test(forExport.export)) {
    throw new ReplayportError(`${JSON.stringify(forExport.export)} cannot be the name of an export in a lake`, {
      code: "lake.export_name",
      remedy: "give-up",
      hint: "Use letters, digits, underscores and hyphens, and begin with a letter or a digit.",
    });
  }
  globPath(forExport.path, forExport.export);
  return new Lake({ store, ...forExport, ...deps }, fileBytes ?? DEFAULT_FILE_BYTES);
}

function openStore(options: LakeOptions): Store {
  switch (options.type) {
    case "s3":
      return new S3Store(options);
    case "file":
      return new DiskStore(options.path);
    default:
      return options satisfies never;
  }
}
