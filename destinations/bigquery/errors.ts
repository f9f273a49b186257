/**
 * Turns BigQuery's errors, of requests and of jobs, into ReplayportError. The SDK's errors never become a cause: they contain
 * the request with its bearer token.
 *
 * An error is judged by its HTTP status and its reason (https://cloud.google.com/bigquery/docs/error-messages). Where only the
 * text tells two errors apart, its fixed beginning does: a text holds the user's names, which may be any words.
 */
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { isTlsFault, untrusted } from "../../src/tls.ts";
import { apiDisabled, denied } from "./denied.ts";
import { type BigQueryRequest, payer } from "./request.ts";
import { RAISED } from "./ledger_sql.ts";

/** The part of the SDK's and its transport's errors that we read. */
interface SdkError {
  readonly code?: number | string;
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
  /** Undefined for a job's error, and where nobody answered. */
  readonly status: number | undefined;
  readonly message: string;
}

export function httpStatus(error: unknown): number | undefined {
  const { code, response } = error as SdkError;
  return typeof code === "number" ? code : response?.statusCode;
}

/** Returns the error to throw: `signal.reason` after an abort, ReplayportError otherwise. */
export function bigqueryError(error: unknown, request: BigQueryRequest, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof ReplayportError) return error;
  const { errors, response } = error as SdkError;
  const status = httpStatus(error);
  // Of several errors the SDK's message is a list.
  const message = errors?.[0]?.message ?? messageOf(error);
  const noAnswer = isTlsFault((error as SdkError).code) ? "tls" : "network";
  const reason = errors?.[0]?.reason ?? (status === undefined ? noAnswer : "");
  return made({ reason, status, message }, request, retryAfter(response?.headers));
}

/** @param result of a job that is DONE */
export function jobError(result: JobErrorResult, request: BigQueryRequest): ReplayportError {
  const { reason = "unknown", message = "the job failed" } = result;
  return made({ reason, status: undefined, message }, request);
}

/** What our own script has raised: BigQuery adds the place in the script after it. */
export function raised(message = ""): keyof typeof RAISED | undefined {
  const own = bare(message);
  return own.startsWith(RAISED.tableMoved) ? "tableMoved" : own.startsWith(RAISED.doubled) ? "doubled" : undefined;
}

/** Without what BigQuery puts around the error of a script's statement. */
function bare(message: string): string {
  return message
    .trim()
    .replace(/^Query error: /, "")
    .replace(/ at \[\d+:\d+\]$/, "");
}

function made(fault: Fault, request: BigQueryRequest, retryAfterMs?: number): ReplayportError {
  const classified = classify({ ...fault, message: bare(fault.message) }, request);
  const asked = retryAfterMs ?? classified.retryAfterMs;
  const detail = [fault.reason, fault.status].filter((part) => part !== "" && part !== undefined).join(", ");
  const { project, dataset, table } = request.resource;
  const on = request.action.startsWith("bigquery.jobs.")
    ? payer(request.resource)
    : [project, dataset, table].filter((part) => part !== undefined).join(".");
  return new ReplayportError(
    `${request.action} on ${on} failed: ${fault.message.trim()}${detail === "" ? "" : ` (${detail})`}`,
    { ...classified, ...(asked === undefined || classified.remedy === "give-up" ? {} : { retryAfterMs: asked }) },
  );
}

const TEN_MINUTES = 10 * 60_000;
const BUSY = retry(
  "bigquery.rate_limit",
  "BigQuery limits the rate of requests; the batch is tried again later.",
  30_000,
);
/** At most 20 statements wait for one table; that passes. */
const TOO_MANY_DML = /^(?:Resources exceeded during query execution: )?Too many DML statements outstanding/;
const UNAVAILABLE = retry(
  "bigquery.unavailable",
  "BigQuery is temporarily unavailable; the batch is tried again later.",
);

function classify(fault: Fault, request: BigQueryRequest): Classification {
  const { reason, message } = fault;
  switch (reason) {
    case "accessDenied":
    case "accessNotConfigured":
    case "policyViolation":
      return denied(reason, message, request);
    case "billingNotEnabled":
      return noBilling(request);
    case "bytesBilledLimitExceeded":
    case "billingTierLimitExceeded":
      return giveUp(
        "bigquery.bytes_billed",
        "The statement would scan more than `maximum_bytes_billed` allows: raise it, or partition the table by day of start_time, so that old days are not read.",
      );
    case "quotaExceeded":
      // The quota of projects without billing: a month long.
      if (message.startsWith("Quota exceeded: Your project exceeded quota for free query bytes scanned"))
        return noBilling(request);
      return retry(
        "bigquery.quota",
        "A quota is used up, see https://cloud.google.com/bigquery/quotas; a schedule with longer intervals needs fewer jobs.",
        TEN_MINUTES,
      );
    case "rateLimitExceeded":
    case "userRateLimitExceeded":
    case "jobRateLimitExceeded":
      return BUSY;
    case "backendError":
    case "internalError":
    case "jobBackendError":
    case "jobInternalError":
    case "tableUnavailable":
    case "timeout":
    case "resourceInUse":
      return UNAVAILABLE;
    case "stopped":
      return retry("bigquery.stopped", "A person or a time limit cancelled the job; the batch is tried again later.");
    case "resourcesExceeded":
      if (TOO_MANY_DML.test(message)) return BUSY;
      return giveUp(
        "bigquery.resources",
        "The job needs more resources than BigQuery allows one job: load shorter intervals (`schedule`).",
      );
    case "blocked":
      return retry(
        "bigquery.blocked",
        "BigQuery has blocked this kind of job for a time, to protect itself. If it lasts, ask Google's support.",
        TEN_MINUTES,
      );
    case "responseTooLarge":
    case "notImplemented":
      return refused();
    case "invalidUser":
    case "authError":
      return expired();
    case "network":
      return unreachable(request);
    case "tls":
      return giveUp("bigquery.tls", untrusted(hostOf(request)));
    case "notFound":
      return missing(message, request);
    case "duplicate":
      return exists();
    default:
  }
  return byStatus(fault, request) ?? byBeginning(message, request) ?? refused();
}

function byStatus({ status, message }: Fault, request: BigQueryRequest): Classification | undefined {
  if (status === undefined) return undefined;
  switch (status) {
    case 401:
      return expired();
    case 403:
      return denied("accessDenied", message, request);
    case 404:
      return missing(message, request);
    case 407:
      return giveUp("bigquery.proxy", "A proxy asks for a user and a password: put them into HTTPS_PROXY.");
    case 409:
      return exists();
    case 408:
    case 429:
      return UNAVAILABLE;
    case 501:
      return refused();
    default:
      return status >= 500 ? UNAVAILABLE : undefined;
  }
}

/** Errors with the reason `invalid`, `invalidQuery` or `badRequest`, which are many. */
function byBeginning(message: string, request: BigQueryRequest): Classification | undefined {
  if (message.startsWith("Not found: ")) return missing(message, request);
  if (TOO_MANY_DML.test(message)) return BUSY;
  const unused = /^The project (\S+) has not enabled BigQuery/.exec(message)?.[1];
  if (unused !== undefined) return apiDisabled("bigquery.googleapis.com", unused);
  if (raised(message) === "tableMoved")
    return retry("bigquery.conflict", "Nothing is wrong: another load committed in between, so this one is repeated.");
  if (/^(?:Transaction is aborted due to concurrent update|Could not serialize access to)/.test(message))
    return retry(
      "bigquery.conflict",
      "Something else changed the table at the same time. BigQuery cancelled this load, and it is repeated.",
    );
  if (
    /^(?:UPDATE|DELETE|MERGE)[A-Z, or]{0,40} statement over table \S+ would affect rows in the streaming buffer/.test(
      message,
    )
  )
    return retry(
      "bigquery.streaming_buffer",
      "Something else streams rows into the table. They can be changed once they've left the streaming buffer, after about 90 minutes; load into a table of your own if it never stops.",
      TEN_MINUTES,
    );
  if (message.startsWith("Cannot query over table "))
    return giveUp(
      "bigquery.partition_filter",
      "The table requires a filter on a partition column that Replayport cannot bound: partition it by start_time, or ALTER TABLE … SET OPTIONS (require_partition_filter = FALSE).",
    );
  if (message.startsWith("Cannot read and write in different locations"))
    return giveUp("bigquery.wrong_location", "Set `location` to the dataset's own, or leave it out.");
  return undefined;
}

function refused(): Classification {
  return giveUp(
    "bigquery.refused",
    "BigQuery refused the request; the message says why. Check that the table's partitioning and types fit the export.",
  );
}

function expired(): Classification {
  return giveUp("bigquery.bad_credentials", "The token is invalid or has expired: renew the credentials.");
}

function exists(): Classification {
  return retry("bigquery.exists", "Another attempt created the same thing at the same time; the batch is tried again.");
}

function unreachable(request: BigQueryRequest): Classification {
  const hint = `Check that this machine can reach ${hostOf(request)}, and any proxy in between.`;
  return retry("bigquery.unreachable", hint);
}

function hostOf({ endpoint }: BigQueryRequest): string {
  return endpoint ?? "bigquery.googleapis.com";
}

function noBilling({ resource }: BigQueryRequest): Classification {
  return giveUp("bigquery.billing", `Enable billing for the project ${payer(resource)}: loads and MERGE need it.`);
}

function missing(message: string, { action, resource }: BigQueryRequest): Classification {
  const { project, dataset = "<dataset>" } = resource;
  const what = /^Not found: (Project|Dataset|Table|Job)\b/i.exec(message)?.[1]?.toLowerCase();
  if (what === "project") {
    const named = resource.billing === undefined ? project : `${project} or no project ${resource.billing}`;
    return giveUp("bigquery.no_project", `There is no project ${named}, or it is not yours: check \`project\`.`);
  }
  if (what === "dataset" || (what === undefined && action === "bigquery.datasets.get")) {
    return giveUp(
      "bigquery.no_dataset",
      `Create it: CREATE SCHEMA \`${project}\`.\`${dataset}\` OPTIONS (location = 'EU'); or check \`dataset\`. A wrong \`location\` looks the same.`,
    );
  }
  return retry("bigquery.vanished", "Something else removed it; the batch is tried again later.");
}

/** Milliseconds from a Retry-After header in seconds. */
function retryAfter(headers: Readonly<Record<string, string | string[] | undefined>> | undefined): number | undefined {
  const seconds = Number(headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
