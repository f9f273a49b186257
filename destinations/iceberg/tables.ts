/** The export's table: created from the model, extended, never dropped and never retyped. */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import { AUDIT_COLUMNS } from "../../src/models/audit.ts";
import type { Column } from "../../src/models/column.ts";
import { VERSION_COLUMN } from "../../src/models/reading_order.ts";
import type { LoadedTable } from "../catalog/catalog.ts";
import type { Batch } from "../destination.ts";
import { currentSchema } from "../table_format/metadata.ts";
import { compareSchema, newSchema } from "../table_format/schema.ts";
import type { IcebergContext } from "./context.ts";
import { PROPERTIES } from "./names.ts";

type Rows = Pick<Batch, "columns" | "key">;

/** The table, made if there is none. @throws ReplayportError as `loadTable`, and `iceberg.is_view` */
export async function ensureTable(context: IcebergContext, rows: Rows, signal: AbortSignal): Promise<LoadedTable> {
  const found = (await loadTable(context, signal)) ?? (await createTable(context, rows, signal));
  if (found !== "exists") return found;
  const loaded = await loadTable(context, signal);
  if (loaded) return loaded;
  await refuseView(context, signal);
  throw new ReplayportError(
    `${context.tableName} exists and doesn't: the catalog refuses to create it, and doesn't find it`,
    retry("iceberg.table_unclear", "Somebody may be creating or dropping it now."),
  );
}

/** Undefined if there is none. @throws ReplayportError as `refuseForeign` */
export async function loadTable(context: IcebergContext, signal: AbortSignal): Promise<LoadedTable | undefined> {
  const loaded = await context.catalog.loadTable(context.table, signal);
  if (loaded) refuseForeign(context, loaded);
  return loaded;
}

/** For a name that has no table. @throws ReplayportError `iceberg.is_view` */
export async function refuseView({ catalog, table, tableName }: IcebergContext, signal: AbortSignal): Promise<void> {
  if (!(await catalog.viewExists(table, signal))) return;
  throw new ReplayportError(
    `${tableName} is a view`,
    giveUp("iceberg.is_view", "Set `table` to a name that nothing else has, or drop the view."),
  );
}

async function createTable(
  context: IcebergContext,
  { columns, key }: Rows,
  signal: AbortSignal,
): Promise<LoadedTable | "exists"> {
  const { catalog, table, location } = context;
  const schema = newSchema(columns, { key, required: [AUDIT_COLUMNS.start, VERSION_COLUMN] });
  const properties = {
    "format-version": "2",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    ...ownerProperties(context),
  };
  const made = { schema, properties, ...(location === undefined ? {} : { location }) };
  try {
    return await catalog.createTable(table, made, signal);
  } catch (error) {
    if (!(error instanceof ReplayportError) || error.code !== "catalog.no_namespace") throw error;
    await catalog.createNamespace(table.namespace, signal);
    return await catalog.createTable(table, made, signal);
  }
}

/** What says whose table it is. */
export function ownerProperties({ export: name, installation }: IcebergContext): Record<string, string> {
  return {
    [PROPERTIES.export]: name,
    ...(installation === undefined ? {} : { [PROPERTIES.installation]: installation }),
  };
}

/** @throws ReplayportError `iceberg.other_export`, `iceberg.foreign_owner` */
function refuseForeign({ export: name, installation, tableName }: IcebergContext, { metadata }: LoadedTable): void {
  const { [PROPERTIES.export]: other, [PROPERTIES.installation]: owner } = metadata.properties;
  if (other !== undefined && other !== name) {
    throw new ReplayportError(
      `${tableName} belongs to the export ${other}, not to ${name}`,
      giveUp(
        "iceberg.other_export",
        `Give each export its own table. If ${other} was renamed to ${name}: replayport adopt ${name}`,
      ),
    );
  }
  if (owner === undefined || installation === undefined || owner === installation) return;
  throw new ReplayportError(
    `export ${name}: ${tableName} belongs to another installation, ${owner}; this one is ${installation}`,
    giveUp(
      "iceberg.foreign_owner",
      "If both are in use, give this one another table. If it was moved, or takes the other one's place: " +
        `replayport adopt ${name}`,
    ),
  );
}

/** The columns that the table lacks. @throws ReplayportError `iceberg.type_clash`, `iceberg.other_key` */
export function missingColumns(
  { tableName }: IcebergContext,
  { metadata }: LoadedTable,
  { columns, key }: Rows,
): readonly Column[] {
  const schema = currentSchema(metadata);
  const names = new Map(schema.fields.map(({ id, name }) => [id, name]));
  const identifiers = schema.identifierFieldIds.map((id) => names.get(id) ?? `field ${id}`);
  // A table may have none: some catalogs drop them, and one that began with a record never had any.
  if (identifiers.length > 0 && identifiers.toSorted().join() !== key.toSorted().join()) {
    throw new ReplayportError(
      `${tableName} has one row of each ${identifiers.join(", ")}; the export has one of each ${key.join(", ")}`,
      giveUp("iceberg.other_key", "Load into another table, or correct the table's identifier fields with an engine."),
    );
  }
  const { missing, clashes } = compareSchema(schema, columns);
  if (clashes.length === 0) return missing;
  const each = clashes.map(({ column, ours, theirs }) => `${column}: the table has ${theirs}, the export ${ours}`);
  throw new ReplayportError(
    `${tableName} has columns that don't fit: ${each.join("; ")}`,
    giveUp(
      "iceberg.type_clash",
      "Rename these columns in the table, exclude them from the export, or load into another table: Replayport never retypes or drops.",
    ),
  );
}
