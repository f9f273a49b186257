/** What an error says of the request that failed. */
export interface BigQueryRequest {
  /** The permission that the request needs: `bigquery.jobs.create`. */
  readonly action: string;
  readonly resource: Resource;
  /** Undefined: Google's own. */
  readonly endpoint: string | undefined;
  /** The account that a grant would name; undefined if the credentials don't say. */
  readonly principal: string | undefined;
}

/** In parts, since a project may have dots: `example.com:acme`. */
export interface Resource {
  readonly project: string;
  /** The project that runs jobs and pays for them, if it's another. */
  readonly billing?: string | undefined;
  readonly dataset?: string | undefined;
  readonly table?: string | undefined;
}

/** Roles for jobs, billing and APIs are given in the project that runs the jobs. */
export function payer({ project, billing }: Resource): string {
  return billing ?? project;
}
