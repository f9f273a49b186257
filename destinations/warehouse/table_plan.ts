/** What a user's table needs before a model's rows fit into it. Pure; each warehouse writes the DDL. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Column } from "../../src/models/column.ts";
import type { Rows } from "./rows.ts";

/** A column as the warehouse describes it: its name in the table's own spelling, its type in the warehouse's words. */
export interface ExistingColumn {
  readonly name: string;
  readonly type: string;
  /** NOT NULL. */
  readonly required?: boolean;
  /** Filled where a row comes without it. */
  readonly hasDefault?: boolean;
}

export type TablePlan =
  | { readonly kind: "create" }
  /** The model's columns that the table lacks. The table's other columns stay as they are. */
  | { readonly kind: "add"; readonly columns: readonly Column[] };

/**
 * The columns that a load would leave empty although the table requires them: columns of others, and those of the export that a
 * tombstone empties or that may be NULL.
 */
export function stuckColumns(existing: readonly ExistingColumn[], { columns, key }: Rows): readonly ExistingColumn[] {
  const byName = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  return existing.filter(({ name, required = false, hasDefault = false }) => {
    const ours = byName.get(name.toLowerCase());
    if (!required || (ours && key.includes(ours.name))) return false;
    return ours ? ours.nullable || ours.privacy !== "none" : !hasDefault;
  });
}

/**
 * @param code `bigquery.not_null`
 * @param table as SQL names it, as `identifier` names a column
 */
export function notNull(
  code: string,
  table: string,
  stuck: readonly ExistingColumn[],
  identifier: (name: string) => string,
): ReplayportError {
  const statements = stuck.map(({ name }) => `ALTER TABLE ${table} ALTER COLUMN ${identifier(name)} DROP NOT NULL;`);
  return new ReplayportError(
    `${table} has NOT NULL columns that a load may have to leave empty: ${stuck.map(({ name }) => name).join(", ")}`,
    giveUp(code, statements.join(" ")),
  );
}

/**
 * Never drops and never retypes.
 * @param table for messages, as the user writes it
 * @param existing undefined if there is no table
 * @param typeOf the warehouse's type for a column, as in DDL
 * @param fits whether the existing type can take what `typeOf` names
 * @throws ReplayportError if columns have other types; it names each with both types
 */
export function planTable(
  table: string,
  existing: readonly ExistingColumn[] | undefined,
  wanted: readonly Column[],
  typeOf: (column: Column) => string,
  fits: (existingType: string, column: Column) => boolean,
): TablePlan {
  if (existing === undefined) return { kind: "create" };
  const byName = new Map(existing.map((column) => [column.name.toLowerCase(), column]));
  const clashes = wanted.flatMap((column) => {
    const there = byName.get(column.name.toLowerCase());
    return there === undefined || fits(there.type, column)
      ? []
      : [`${column.name} is ${there.type}, the export needs ${typeOf(column)}`];
  });
  if (clashes.length > 0) {
    throw new ReplayportError(
      `${table} has columns of other types: ${clashes.join("; ")}`,
      giveUp(
        "warehouse.type_clash",
        "Rename these columns in the table, exclude them from the export, or load into another table: Replayport never retypes or drops.",
      ),
    );
  }
  return { kind: "add", columns: wanted.filter((column) => !byName.has(column.name.toLowerCase())) };
}
