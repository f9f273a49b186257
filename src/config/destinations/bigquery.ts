/** A BigQuery table, as the YAML names it. */
import { resolve } from "node:path";
import * as z from "zod";
import type { BigQueryCredentials, BigQueryOptions, Impersonation } from "../../../destinations/bigquery/options.ts";
import type { Compression, ExportDefinition } from "../../export/definition.ts";
import type { ColumnType } from "../../models/column.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { defined } from "../values/defined.ts";
import { field, httpUrl, matching, optional, secret, size, text } from "../values/fields.ts";
import type { Path } from "../problems/path.ts";
import type { Report } from "../problems/problems.ts";
import { checkOnDelete, onDelete } from "./deletion.ts";

const serviceAccount = matching(/^[^@\s]+@[^@\s]+\.[^@\s]+$/);
const LABEL = /^[a-z][a-z0-9_-]{0,62}$/;
/** BigQuery bills at least 10 MB per query, so a lower limit would refuse every query. */
const LEAST_BILLED = 10 * 1024 * 1024;

/** Older projects have the domain of their company in front: `example.com:acme-data`. */
const PROJECT = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/;
const MOST_CLUSTERS = 4;

export const bigquerySchema = z
  .strictObject({
    type: z.literal("bigquery").describe("A BigQuery table."),
    project: field(matching(PROJECT), "The id of the project that has the dataset.", "acme-data"),
    billing_project: optional(
      matching(PROJECT),
      "The id of the project that runs the jobs and pays for them. Without it, the dataset's.",
      "acme-jobs",
    ),
    dataset: field(matching(/^\w{1,1024}$/), "The dataset. It must exist.", "posthog"),
    table: field(
      matching(/^(?!_replayport)[A-Za-z0-9_-]{1,1024}$/),
      "The table. It is created if it doesn't exist.",
      "session_replays",
    ),
    location: optional(
      matching(/^[A-Za-z0-9-]+$/),
      "The dataset's location, to catch a mistake. Without it, the dataset's own is used.",
      "EU",
      "europe-west1",
    ),
    credentials: optional(
      secret,
      "A service account's key: its JSON. Without any credentials, the application default ones are used.",
      "${BIGQUERY_KEY}",
    ),
    credentials_file: optional(
      text,
      "The file of a service account's key, relative to this file.",
      "./bigquery-key.json",
    ),
    access_token: optional(secret, "An OAuth access token. Replayport can't renew it.", "${BIGQUERY_TOKEN}"),
    impersonate: optional(
      z.union([
        serviceAccount,
        z.strictObject({
          service_account: serviceAccount.describe("The service account to impersonate."),
          delegates: optional(z.array(serviceAccount).min(1), "Service accounts in between, first to last."),
        }),
      ]),
      "A service account for the credentials to impersonate.",
      "replayport@acme-data.iam.gserviceaccount.com",
    ),
    on_delete: onDelete.default("tombstone"),
    partition_by: optional(
      z.union([
        z.literal("none"),
        z.strictObject({
          column: text.describe("A timestamp column of the export."),
          granularity: z.enum(["hour", "day", "month", "year"]).default("day").describe("The size of a partition."),
        }),
      ]),
      "How a new table is partitioned. Without it: by day of start_time, if the export has it.",
      { column: "start_time", granularity: "month" },
    ),
    cluster_by: optional(z.array(text), "How a new table is clustered. Without it: by team_id and session_id.", [
      "team_id",
      "session_id",
    ]),
    maximum_bytes_billed: optional(
      size(LEAST_BILLED, "10MiB"),
      "BigQuery refuses a statement that would be billed for more.",
      "50GiB",
    ),
    labels: optional(
      z.record(matching(LABEL), matching(/^[a-z0-9_-]{0,63}$/)),
      "More labels for each job, for the bill.",
      { team: "data" },
    ),
    json_columns: optional(z.array(text), "Columns of text or lists to store as JSON in the table.", [
      "ai_tags_freeform",
    ]),
    api_endpoint: optional(
      httpUrl,
      "For a private or regional endpoint, or an emulator.",
      "https://bigquery.europe-west3.rep.googleapis.com",
    ),
  })
  .describe("A BigQuery table.");

type Input = z.output<typeof bigquerySchema>;

/** Reports what the schema can't see: ways to sign in that exclude each other. */
export function resolveBigQuery(input: Input, path: Path, folder: string, report: Report): BigQueryOptions {
  const given = (["credentials", "credentials_file", "access_token"] as const).filter(
    (name) => input[name] !== undefined,
  );
  for (const name of given.slice(1)) {
    report.add([...path, name], "is a second way to sign in", `Keep one of: ${given.join(", ")}.`, "key");
  }
  if ((input.cluster_by?.length ?? 0) > MOST_CLUSTERS) {
    report.add(
      [...path, "cluster_by"],
      "has more than four columns",
      "BigQuery clusters by at most four: leave some out.",
    );
  }
  return defined<Omit<BigQueryOptions, "fileBytes" | "maxAttempts">>({
    type: "bigquery",
    project: input.project,
    billingProject: input.billing_project,
    dataset: input.dataset,
    table: input.table,
    location: input.location,
    credentials: credentialsOf(input, folder),
    impersonate: impersonationOf(input),
    onDelete: input.on_delete,
    partitionBy: input.partition_by,
    clusterBy: input.cluster_by,
    maximumBytesBilled: input.maximum_bytes_billed,
    labels: input.labels,
    jsonColumns: input.json_columns,
    apiEndpoint: input.api_endpoint,
  });
}

function impersonationOf({ impersonate }: Input): Impersonation | undefined {
  if (impersonate === undefined) return undefined;
  if (typeof impersonate === "string") return { serviceAccount: impersonate };
  const { service_account, delegates } = impersonate;
  return defined<Impersonation>({ serviceAccount: service_account, delegates });
}

function credentialsOf(input: Input, folder: string): BigQueryCredentials {
  if (input.credentials !== undefined) return { type: "key", json: input.credentials };
  if (input.credentials_file !== undefined) return { type: "key_file", path: resolve(folder, input.credentials_file) };
  if (input.access_token !== undefined) return { type: "access_token", token: input.access_token };
  return { type: "default" };
}

/**
 * BigQuery loads text as it is or gzipped, and Parquet with these codecs:
 * https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#parquet_compression
 */
const LOADABLE: Readonly<Record<ExportDefinition["format"], readonly Compression[]>> = {
  parquet: ["zstd", "snappy", "gzip", "lz4", "none"],
  jsonl: ["gzip", "none"],
  csv: ["gzip", "none"],
};

/** Checks the columns of session_replays, and how files are compressed. */
export function checkBigQuery(definition: ExportDefinition, options: BigQueryOptions, report: Report): void {
  const { name, format, compression, model, selection, destination } = definition;
  if (!LOADABLE[format].includes(compression)) {
    const fix = `Write compression: ${LOADABLE[format].join(" or ")}${format === "parquet" ? "" : ", or format: parquet"}.`;
    report.add(["exports", name, "compression"], `BigQuery cannot load ${format} compressed with ${compression}`, fix);
  }
  checkOnDelete(definition, report);
  // Only ClickHouse knows the columns of a SELECT; the load reports what doesn't fit.
  if (model.kind !== "session_replays") return;
  const types = new Map(exportedColumns(selection).map((column) => [column.name, column.type]));
  const wrong = (at: Path, column: string, fits: (type: ColumnType) => boolean, fix: string): void => {
    const type = types.get(column);
    if (type !== undefined && fits(type)) return;
    const problem = type === undefined ? `${name} exports no column ${column}` : `${column} is of type ${type}`;
    report.add(["destinations", destination, ...at], problem, fix);
  };
  for (const [index, column] of (options.clusterBy ?? []).entries()) {
    const fix = "Name columns of single values; fractions cannot be clustered by.";
    wrong(["cluster_by", index], column, (type) => !type.endsWith("[]") && type !== "float64", fix);
  }
  for (const [index, column] of (options.jsonColumns ?? []).entries()) {
    const fits = (type: ColumnType): boolean => type.endsWith("[]") || (type === "string" && column !== "session_id");
    wrong(["json_columns", index], column, fits, "Name columns of text or of lists that are not part of the key.");
  }
  if (options.partitionBy !== undefined && options.partitionBy !== "none") {
    const fits = (type: ColumnType): boolean => type === "timestamp";
    wrong(
      ["partition_by", "column"],
      options.partitionBy.column,
      fits,
      "Name a column of times, for example start_time.",
    );
  }
}
