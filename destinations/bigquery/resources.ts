/** What BigQuery's API answers, as far as it is read here. */
import type { JobErrorResult } from "./errors.ts";
import type { SchemaField } from "./types.ts";

/** The slice of the API's Job resource that is read here. */
export interface JobResource {
  readonly jobReference?: { readonly jobId?: string; readonly location?: string };
  readonly configuration?: { readonly labels?: Readonly<Record<string, string>> };
  readonly status?: { readonly state?: string; readonly errorResult?: JobErrorResult };
  readonly statistics?: {
    readonly totalBytesProcessed?: string;
    readonly load?: { readonly outputRows?: string; readonly badRecords?: string };
  };
}

export interface DatasetResource {
  readonly location?: string;
  /** Of texts in new tables: `und:ci` compares without case. */
  readonly defaultCollation?: string;
  /** Milliseconds that a new table lives, by default. */
  readonly defaultTableExpirationMs?: string;
  /** Milliseconds that a partition of a new table lives. */
  readonly defaultPartitionExpirationMs?: string;
}

export interface TableResource {
  /** TABLE, VIEW, EXTERNAL, … */
  readonly type?: string;
  readonly schema?: { readonly fields?: readonly SchemaField[] };
  /** Milliseconds since 1970, as text. */
  readonly creationTime?: string;
  readonly expirationTime?: string;
  readonly timePartitioning?: { readonly field?: string; readonly expirationMs?: string };
}
