import type { OnDelete } from "../../src/models/deletion.ts";

/**
 * How to sign in. `default` is Google's application default credentials: the variable GOOGLE_APPLICATION_CREDENTIALS,
 * gcloud's login, workload identity, or the machine's service account.
 */
export type BigQueryCredentials =
  | { readonly type: "default" }
  /** A service account's key: Google Cloud's JSON, or the path of a file with it. */
  | { readonly type: "key"; readonly json: string }
  | { readonly type: "key_file"; readonly path: string }
  /** A short-lived OAuth token, which we can't renew. */
  | { readonly type: "access_token"; readonly token: string };

/** A service account to impersonate. The credentials need roles/iam.serviceAccountTokenCreator on it. */
export interface Impersonation {
  readonly serviceAccount: string;
  /** Service accounts in between, first to last. */
  readonly delegates?: readonly string[];
}

/** How a new target table is partitioned. An existing table keeps its partitions. */
export interface Partitioning {
  /** A timestamp column of the export. */
  readonly column: string;
  readonly granularity: "hour" | "day" | "month" | "year";
}

export interface BigQueryOptions {
  readonly type: "bigquery";
  /** Has the dataset. */
  readonly project: string;
  /** Runs the jobs and pays for them. Default: `project`. */
  readonly billingProject?: string;
  readonly dataset: string;
  /** Checked against the dataset's own, which is used by default. */
  readonly location?: string;
  readonly table: string;
  readonly credentials?: BigQueryCredentials;
  readonly impersonate?: Impersonation;
  /** Default `tombstone`. */
  readonly onDelete?: OnDelete;
  /** `none`: not partitioned. Default: by day of `start_time`, if the export has it. */
  readonly partitionBy?: Partitioning | "none";
  /** At most four columns. Default: team_id, session_id, as far as the export has them. */
  readonly clusterBy?: readonly string[];
  /** BigQuery refuses a job that would be billed for more. */
  readonly maximumBytesBilled?: number;
  /** More labels for every job, besides export, interval and attempt. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Columns of strings or lists to store as JSON. */
  readonly jsonColumns?: readonly string[];
  /** For a private endpoint or an emulator: an origin, such as `https://bigquery-acme.p.googleapis.com`. */
  readonly apiEndpoint?: string;
  /** Attempts per request, with the SDK's backoff in between. Default 4. */
  readonly maxAttempts?: number;
  readonly fileBytes?: number;
}
