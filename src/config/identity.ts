/**
 * What tells an export from one of the same name in another config: that of another installation on the same Redis, or an older
 * version of this one during a deploy. Hashes without secrets, so that a job may carry them.
 */
import { createHash } from "node:crypto";
import type { DestinationOptions } from "../../destinations/options.ts";
import { type ExportDefinition, fingerprint } from "../export/definition.ts";
import type { ExportIdentity } from "../fleet/fleet.ts";

export function identityOf(
  definition: ExportDefinition,
  destination: DestinationOptions,
  installation: string,
): ExportIdentity {
  const place = hash([installation, destination.type, ...locationOf(destination)]);
  return {
    place,
    // Computed on demand: a command that pauses an export needs no salt.
    get config() {
      const { format, compression, path } = definition;
      return hash([place, fingerprint(definition, []), format, compression, path, formOf(destination)]);
    },
  };
}

/** Where the rows and the receipts are. How one signs in there doesn't matter. */
function locationOf(options: DestinationOptions): readonly unknown[] {
  switch (options.type) {
    case "file":
      return [options.path];
    case "s3":
      return [options.endpoint, options.bucket, options.prefix];
    case "iceberg":
      return [options.catalog.uri, options.catalog.warehouse, options.namespace, options.table];
    case "bigquery":
      return [options.apiEndpoint, options.project, options.dataset, options.table];
    case "snowflake":
      return [options.host, options.account, options.database, options.schema, options.table];
    default:
      return options satisfies never;
  }
}

/** How the destination stores the rows, where its options decide. */
function formOf(options: DestinationOptions): readonly unknown[] {
  return [options.onDelete, options.type === "bigquery" ? options.jsonColumns : undefined];
}

function hash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
}
