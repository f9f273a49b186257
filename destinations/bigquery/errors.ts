/**
 * Turns BigQuery's errors, of requests and of jobs, into ReplayportError. The SDK's errors never become a cause: they contain
 * the request with its bearer token.
 * Reasons: https://cloud.google.com/bigquery/docs/error-messages
 */
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { RAISED } from "./ledger_sql.ts";

export interface BigQueryRequest {
  /** The permission that the request needs: `bigquery.jobs.create`. */
  readonly action: string;
  /** `acme-data`, `acme-data.replays` or `acme-data.replays.sessions`. */
  readonly resource: string;
  /** Undefined: Google's own. */
  readonly endpoint: string | undefined;
  /** The account that a grant would name; undefined if the credentials don't say. */
  readonly principal: string | undefined;
}

/** The part of the SDK's and its transport's errors that we read. */
interface SdkError {
  readonly code?: number | string;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
  readonly response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  };
}

/** The part of a job's `status.errorResult` that we read. */
export interface JobErrorResult {
  readonly reason?: string;
  readonly message?: string;
}

interface Fault {
  readonly reason: string;
  readonly status: number | undefined;
  readonly message: string;
}

const NETWORK = /ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR|socket hang up|network timeout/;

export function httpStatus(error: unknown): number | undefined {
  const { code, response } = error as SdkError;
  return typeof code === "number" ? code : response?.statusCode;
}

/** Returns the error to throw: `signal.reason` after an abort, ReplayportError otherwise. */
export function bigqueryError(error: unknown, request: BigQueryRequest, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof ReplayportError) return error;
  const { code, errors, response } = error as SdkError;
  const network = [typeof code === "string" ? code : "", messageOf(error)].find((text) => NETWORK.test(text));
  const reason = errors?.[0]?.reason ?? (network === undefined ? "" : "network");
  return made({ reason, status: httpStatus(error), message: messageOf(error) }, request, retryAfter(response?.headers));
}

/** @param result of a job that is DONE */
export function jobError(result: JobErrorResult, request: BigQueryRequest): ReplayportError {
  const { reason = "", message = "the job failed" } = result;
  return made({ reason, status: undefined, message }, request);
}

function made(fault: Fault, request: BigQueryRequest, retryAfterMs?: number): ReplayportError {
  const classified = classify(fault, request);
  const asked = retryAfterMs ?? classified.retryAfterMs;
  const detail = [fault.reason, fault.status].filter((part) => part !== "" && part !== undefined).join(", ");
  const message = fault.message.trim();
  return new ReplayportError(
    `${request.action} on ${request.resource} failed: ${message}${detail === "" ? "" : ` (${detail})`}`,
    { ...classified, ...(asked === undefined ? {} : { retryAfterMs: asked }) },
  );
}

function classify({ reason, status, message }: Fault, request: BigQueryRequest): Classification {
  const at = request.endpoint ?? "bigquery.googleapis.com";
  if (message.includes(RAISED.tableMoved)) {
    return retry("bigquery.conflict", "Nothing is wrong: another load committed in between, so this one is repeated.");
  }
  if (/aborted due to concurrent update|could not serialize access/i.test(message)) {
    return retry(
      "bigquery.conflict",
      "Two loads of one table collided. BigQuery cancelled this one, and it is repeated.",
    );
  }
  switch (reason) {
    case "accessDenied":
    case "accessNotConfigured":
      return denied(message, request);
    case "billingNotEnabled":
      return giveUp("bigquery.billing", `Enable billing for the project ${project(request)}: loads and MERGE need it.`);
    case "bytesBilledLimitExceeded":
    case "billingTierLimitExceeded":
      return giveUp(
        "bigquery.bytes_billed",
        "The MERGE would scan more than `maximum_bytes_billed` allows: raise it, or partition the table by day of start_time, so that old days are not read.",
      );
    case "quotaExceeded":
      return retry(
        "bigquery.quota",
        "A quota is used up, see https://cloud.google.com/bigquery/quotas; a schedule with longer intervals needs fewer jobs.",
        10 * 60_000,
      );
    case "rateLimitExceeded":
    case "userRateLimitExceeded":
    case "jobRateLimitExceeded":
      return retry(
        "bigquery.rate_limit",
        "BigQuery limits the rate of requests; the batch is tried again later.",
        30_000,
      );
    case "backendError":
    case "internalError":
    case "jobBackendError":
    case "jobInternalError":
    case "tableUnavailable":
    case "timeout":
    case "resourceInUse":
      return retry("bigquery.unavailable", "BigQuery is temporarily unavailable; the batch is tried again later.");
    case "stopped":
      return retry("bigquery.stopped", "A person or a time limit cancelled the job; the batch is tried again later.");
    case "resourcesExceeded":
      return giveUp(
        "bigquery.resources",
        "The job needs more resources than BigQuery allows one job: load shorter intervals (`schedule`).",
      );
    case "responseTooLarge":
    case "blocked":
      return giveUp(
        "bigquery.refused",
        "BigQuery has blocked this kind of job; see https://cloud.google.com/bigquery/docs/error-messages.",
      );
    case "network":
      return retry("bigquery.unreachable", `Check that this machine can reach ${at}.`);
    default:
  }
  if (/Cannot query over table .* without a filter/i.test(message)) {
    return giveUp(
      "bigquery.partition_filter",
      "The table requires a filter on a partition column that Replayport cannot bound: partition it by start_time, or ALTER TABLE … SET OPTIONS (require_partition_filter = FALSE).",
    );
  }
  if (/invalid_grant|invalid_client|Could not refresh access token|DECODER|asn1/i.test(message)) {
    return giveUp(
      "bigquery.bad_credentials",
      "Google rejects the credentials: check that the key is complete and not deleted, and that this machine's clock is right.",
    );
  }
  if (status === 404 && /unable to impersonate/i.test(message)) {
    return giveUp(
      "bigquery.bad_credentials",
      "Check the address under `impersonate`: there is no such service account.",
    );
  }
  if (/Could not load the default credentials/i.test(message)) {
    return giveUp(
      "bigquery.no_credentials",
      "No credentials were found: set `credentials`, or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`.",
    );
  }
  if (status === 401) {
    return giveUp("bigquery.bad_credentials", "The token is invalid or has expired: renew the credentials.");
  }
  if (status === 403) return denied(message, request);
  if (status === 404 || reason === "notFound") return missing(message, request);
  if (status === 409 || reason === "duplicate") {
    return retry(
      "bigquery.exists",
      "Another attempt created the same thing at the same time; the batch is tried again.",
    );
  }
  if (status === 408 || status === 429 || (status !== undefined && status >= 500)) {
    return retry(
      "bigquery.unavailable",
      `${at} is overloaded or closed the connection; the batch is tried again later.`,
    );
  }
  if (/different location|location .* does not match|was not found in location/i.test(message)) {
    return wrongLocation(message);
  }
  if (status === undefined && reason === "") {
    return retry("bigquery.unreachable", `Check that this machine can reach ${at}, and any proxy in between.`);
  }
  return giveUp(
    "bigquery.refused",
    "BigQuery refused the request; the message says why. Check that the table's partitioning and types fit the export.",
  );
}

/** Matches no host and no account. */
const PERMISSION = /(?<![\w.-])(?:bigquery|iam|serviceusage)\.[a-z]+\.(?!com\b)[a-z]+\b/i;

/** The missing permission: the one that Google's message names, or else the one that the request needs. */
function denied(message: string, request: BigQueryRequest): Classification {
  const disabled = /\b(\w+\.googleapis\.com)\b/.exec(message)?.[1] ?? "bigquery.googleapis.com";
  if (/has not been used in project|SERVICE_DISABLED|API .* is disabled/i.test(message)) {
    const where = /in project (\S+) before/i.exec(message)?.[1] ?? project(request);
    return giveUp("bigquery.api_disabled", `gcloud services enable ${disabled} --project=${where}`);
  }
  const permission = PERMISSION.exec(message)?.[0] ?? request.action;
  const given = `${permission} is missing: ${grant(permission, request)}`;
  // Google gives the same answer for what doesn't exist.
  const absent = /may not exist/i.test(message) ? " If it exists at all: check `project`, `dataset` and `table`." : "";
  return giveUp("bigquery.access_denied", given + absent);
}

/** Permissions that an existing table's own access list doesn't give. */
export function lackingPermissions(permissions: readonly string[], request: BigQueryRequest): ReplayportError {
  const [first = ""] = permissions;
  return new ReplayportError(
    `${request.resource} cannot be loaded into: ${permissions.join(", ")} is missing`,
    giveUp("bigquery.access_denied", grant(first, request)),
  );
}

/** The command or statement that grants a permission. */
function grant(permission: string, request: BigQueryRequest): string {
  const { principal = "<its address>" } = request;
  const member = `${/^[^@]+@[^@]+$/.test(principal) && !principal.endsWith(".gserviceaccount.com") ? "user" : "serviceAccount"}:${principal}`;
  if (permission.startsWith("iam.")) {
    return `gcloud iam service-accounts add-iam-policy-binding ${principal} --member="serviceAccount:<who impersonates it>" --role="roles/iam.serviceAccountTokenCreator"`;
  }
  const role = projectRole(permission);
  if (role !== undefined) {
    return `gcloud projects add-iam-policy-binding ${project(request)} --member="${member}" --role="${role}"`;
  }
  const [owner = "", dataset = "<dataset>"] = request.resource.split(".");
  return `GRANT \`roles/bigquery.dataEditor\` ON SCHEMA \`${owner}\`.\`${dataset}\` TO "${member}";`;
}

/** The smallest predefined role of the project with this permission; undefined if a dataset's role has it. */
function projectRole(permission: string): string | undefined {
  if (permission.startsWith("serviceusage.")) return "roles/serviceusage.serviceUsageConsumer";
  // Needed for other accounts' jobs only: more than one account loads this table.
  if (permission === "bigquery.jobs.get") return "roles/bigquery.resourceViewer";
  return permission.startsWith("bigquery.jobs.") ? "roles/bigquery.jobUser" : undefined;
}

function missing(message: string, request: BigQueryRequest): Classification {
  const [owner = "", dataset] = request.resource.split(".");
  if (/not found: project|project .* (not found|does not exist)/i.test(message)) {
    return giveUp("bigquery.no_project", `There is no project ${owner}, or it is not yours: check \`project\`.`);
  }
  if (/not found: dataset/i.test(message) || request.action === "bigquery.datasets.get") {
    const schema = dataset ?? "<dataset>";
    return giveUp(
      "bigquery.no_dataset",
      `Create it: CREATE SCHEMA \`${owner}\`.\`${schema}\` OPTIONS (location = 'EU'); or check \`dataset\`. A wrong \`location\` looks the same.`,
    );
  }
  return retry("bigquery.vanished", "Something else removed it; the batch is tried again later.");
}

export function wrongLocation(message: string): Classification {
  return giveUp("bigquery.wrong_location", `Set \`location\` to the dataset's own, or leave it out: ${message}`);
}

function project(request: BigQueryRequest): string {
  return request.resource.split(".")[0] ?? "";
}

/** Milliseconds from a Retry-After header in seconds. */
function retryAfter(headers: Readonly<Record<string, string | string[] | undefined>> | undefined): number | undefined {
  const seconds = Number(headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
