/** What a table's own properties and branches say about how to maintain it. Pure. */
import { parseJson, printJson } from "../table_format/json.ts";
import type { TableMetadata } from "../table_format/metadata.ts";
import { nameMapping, type IcebergSchema } from "../table_format/schema.ts";

const MAPPING = "schema.name-mapping.default";

type Properties = TableMetadata["properties"];

/** Whether files may be needed by something that this table doesn't show, such as a branch of Nessie's or a copy of the table. */
export function keepsAllFiles({ properties }: Pick<TableMetadata, "properties">): boolean {
  return properties["gc.enabled"]?.trim().toLowerCase() === "false";
}

/** How long the table itself asks for snapshots of `main` to be kept. */
export function askedRetention({ properties, refs }: Pick<TableMetadata, "properties" | "refs">): {
  readonly snapshots: number;
  readonly ageMs: number;
} {
  const main = refs["main"];
  return {
    snapshots: main?.minSnapshots ?? numberOf(properties["history.expire.min-snapshots-to-keep"]),
    ageMs: main?.maxSnapshotAgeMs ?? numberOf(properties["history.expire.max-snapshot-age-ms"]),
  };
}

function numberOf(text = "0"): number {
  return Number.isFinite(Number(text)) ? Number(text) : 0;
}

/** Whether the table's metadata may have the lowest and highest value of a column. */
export function allowsBounds(properties: Properties, column: string): boolean {
  const mode =
    properties[`write.metadata.metrics.column.${column}`] ?? properties["write.metadata.metrics.default"] ?? "";
  return !["none", "counts"].includes(mode.trim().toLowerCase());
}

/**
 * The names by which readers find columns in files without field ids, as a property. Names that are there stay, since files of
 * others may have a column under a name of long ago.
 */
export function mappingProperty(
  { properties }: Pick<TableMetadata, "properties">,
  schema: IcebergSchema,
): Record<string, string> {
  const ours = parseJson(nameMapping(schema)) as readonly Mapped[];
  const theirs = mappingOf(properties[MAPPING]);
  if (!theirs) return { [MAPPING]: printJson(ours) };
  const known = new Set(theirs.map((one) => one["field-id"]));
  const missing = ours.filter((one) => !known.has(one["field-id"]));
  return missing.length === 0 ? {} : { [MAPPING]: printJson([...theirs, ...missing]) };
}

interface Mapped {
  readonly "field-id"?: number;
}

/** Undefined for none, or for one that no reader could use either. */
function mappingOf(text = "null"): readonly Mapped[] | undefined {
  try {
    const mapping = parseJson(text);
    return Array.isArray(mapping) ? (mapping as readonly Mapped[]) : undefined;
  } catch {
    return undefined;
  }
}
