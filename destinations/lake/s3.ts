/** The lake in a bucket: apart from index.ts, so that a lake in a folder doesn't load the SDK. */
import type { Destination, DestinationDeps, DestinationExport } from "../destination.ts";
import { S3Store } from "../store/s3_store.ts";
import { openLakeOn } from "./index.ts";
import type { S3LakeOptions } from "./options.ts";

/** Sends nothing yet. @throws as `openLakeOn` */
export function openS3Lake(options: S3LakeOptions, forExport: DestinationExport, deps: DestinationDeps): Destination {
  return openLakeOn(new S3Store(options), options, forExport, deps);
}
