import type { OnDelete } from "../../src/models/deletion.ts";

/**
 * Who asks BigQuery. Without `type` of its own in the config, the application default credentials are used: the variable
 * GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, workload identity, or the machine's service account.
 */
export type BigQueryCredentials =
  | { readonly type: "default" }
  /** A service account's key, as the JSON text that Google Cloud gives out, or the path of a file with it. */
  | { readonly type: "key"; readonly json: string }
  | { readonly type: "key_file"; readonly path: string }
  /** A short-lived OAuth token that something else renews. Cannot be refreshed here. */
  | { readonly type: "access_token"; readonly token: string };

/** A service account to impersonate. The credentials need roles/iam.serviceAccountTokenCreator on it. */
export interface Impersonation {
  readonly serviceAccount: string;
  /** Service accounts in between, first to last. */
  readonly delegates?: readonly string[];
}

/** How a target table that does not exist yet is cut. A table that is there keeps its own. */
export interface Partitioning {
  /** A timestamp column of the export. */
  readonly column: string;
  readonly granularity: "hour" | "day" | "month" | "year";
}

export interface BigQueryOptions {
  readonly type: "bigquery";
  /** Where the dataset is, where jobs run and who pays. */
  readonly project: string;
  readonly dataset: string;
  /** Checked against the dataset's own, which is used where this is left out. */
  readonly location?: string;
  readonly table: string;
  readonly credentials?: BigQueryCredentials;
  readonly impersonate?: Impersonation;
  /** Default `tombstone`. */
  readonly onDelete?: OnDelete;
  /** `none`: one unpartitioned table. Default: by day of `start_time`, where the export has it. */
  readonly partitionBy?: Partitioning | "none";
  /** At most four columns. Default: team_id, session_id, as far as the export has them. */
  readonly clusterBy?: readonly string[];
  /** A job that would be billed for more is refused by BigQuery before it runs. */
  readonly maximumBytesBilled?: number;
  /** Further labels of every job, beside export, interval and attempt. */
  readonly labels?: Readonly<Record<string, string>>;
  /** string and array columns that become JSON in the table. */
  readonly jsonColumns?: readonly string[];
  /** For a private endpoint or an emulator: an origin, such as `https://bigquery-acme.p.googleapis.com`. */
  readonly apiEndpoint?: string;
  /** How many times a request is sent before its error counts. Default 4, with the client's back-off in between. */
  readonly maxAttempts?: number;
  readonly fileBytes?: number;
}
