import type { OnDelete } from "../../src/models/deletion.ts";
import type { CatalogOptions } from "../catalog/options.ts";
import type { S3Bucket } from "../store/s3_options.ts";

/** How the table's files are reached. The table's own location says where they are. */
export interface IcebergStorage extends Omit<S3Bucket, "bucket" | "prefix"> {
  /** Where a new table's files go. Default: the catalog chooses. */
  readonly bucket?: string;
  /** A folder within the bucket, without a slash at its ends. */
  readonly prefix?: string;
}

/** A table in a catalog that speaks the Iceberg REST protocol. */
export interface IcebergOptions {
  readonly type: "iceberg";
  readonly catalog: CatalogOptions;
  readonly namespace: readonly string[];
  /** Default: the export's name. */
  readonly table?: string;
  readonly storage?: IcebergStorage;
  /** How long old snapshots stay readable. Default: five days. The last ten always stay. */
  readonly keepSnapshotsMs?: number;
  /** Default `tombstone`. */
  readonly onDelete?: OnDelete;
  readonly fileBytes?: number;
}
