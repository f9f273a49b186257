import type { DestinationDeps } from "../destination.ts";
import type { Client } from "./client.ts";
import type { TableResource } from "./resources.ts";
import type { TablePlace } from "./names.ts";
import type { BigQueryOptions } from "./options.ts";
import type { LedgerPlace } from "./ledger_sql.ts";

export interface BigQueryContext extends DestinationDeps {
  readonly export: string;
  readonly options: BigQueryOptions;
  readonly client: Client;
  readonly place: TablePlace;
  /** Name of the table of receipts, without project and dataset. */
  readonly ledger: string;
  /** Tables that are known to fit, by shape. Cleared when a load fails. */
  readonly ready: Map<string, TableResource>;
  /** When the tables of a check expire, in case it is killed. */
  readonly expires?: Date;
}

/** `project.dataset.table`, unquoted. */
export function qualifiedName({ place }: BigQueryContext, table: string): string {
  return `${place.project}.${place.dataset}.${table}`;
}

export function ledgerPlace(context: BigQueryContext): LedgerPlace {
  return { ledger: qualifiedName(context, context.ledger), target: context.place.table, export: context.export };
}
