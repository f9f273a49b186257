import type { DestinationDeps } from "../destination.ts";
import type { Client } from "./client.ts";
import type { TableResource } from "./resources.ts";
import type { TablePlace } from "./names.ts";
import type { BigQueryOptions } from "./options.ts";
import type { LedgerPlace } from "./ledger_sql.ts";

/** What every part of the destination works with. */
export interface BigQueryContext extends DestinationDeps {
  readonly export: string;
  readonly options: BigQueryOptions;
  readonly client: Client;
  readonly place: TablePlace;
  /** Name of the table of receipts, without project and dataset. */
  readonly ledger: string;
  /** Tables that were seen to fit, by their shape; forgotten when a load fails. */
  readonly ready: Map<string, TableResource>;
  /** For a check: its tables remove themselves then, should it be killed. */
  readonly expires?: Date;
}

/** `project.dataset.table`, as SQL quotes it. */
export function qualifiedName({ place }: BigQueryContext, table: string): string {
  return `${place.project}.${place.dataset}.${table}`;
}

export function ledgerPlace(context: BigQueryContext): LedgerPlace {
  return { ledger: qualifiedName(context, context.ledger), target: context.place.table, export: context.export };
}
