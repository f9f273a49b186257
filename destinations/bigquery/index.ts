/** The BigQuery destination: one table of current rows, and a table of receipts beside it. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { Destination, DestinationDeps, DestinationExport } from "../destination.ts";
import { RECEIPTS_TABLE } from "../warehouse/rows.ts";
import { BigQueryDestination } from "./bigquery.ts";
import { Client } from "./client.ts";
import type { BigQueryOptions } from "./options.ts";

export type { BigQueryCredentials, BigQueryOptions, Impersonation, Partitioning } from "./options.ts";

/** What names may hold: the config says the same; users of the library are told here. */
const NAMES = {
  project: /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/,
  dataset: /^\w{1,1024}$/,
  table: /^[\p{L}\p{M}\p{N}_-][\p{L}\p{M}\p{N}_ -]{0,1023}$/u,
} as const;

/** Asks nothing of BigQuery yet. @throws ReplayportError where a name cannot be one of BigQuery's. */
export function openBigQuery(
  options: BigQueryOptions,
  forExport: DestinationExport,
  deps: DestinationDeps,
): Destination {
  for (const name of ["project", "dataset", "table"] as const) {
    if (!NAMES[name].test(options[name])) throw badName(name, options[name]);
  }
  if (options.table.startsWith("_replayport")) throw badName("table", options.table);
  const { project, dataset, table } = options;
  return new BigQueryDestination({
    ...deps,
    export: forExport.export,
    options,
    client: new Client(options),
    place: { project, dataset, table },
    ledger: RECEIPTS_TABLE,
    ready: new Map(),
  });
}

function badName(option: string, value: string): ReplayportError {
  return new ReplayportError(
    `${JSON.stringify(value)} cannot be the \`${option}\` of a BigQuery destination`,
    giveUp(
      "bigquery.name",
      "Write the project's id (not its number), and names of a dataset and a table without dots; _replayport… is taken.",
    ),
  );
}
