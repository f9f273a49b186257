/**
 * Turns what the S3 SDK throws into ReplayportError. The SDK's errors are not passed on as a cause: they carry the
 * request with its signature, and some answers repeat the access key.
 */
import { messageOf, ReplayportError, type Remedy } from "../../src/errors.ts";

export interface S3Request {
  /** The permission that the request needs, as a policy names it: `s3:PutObject`. */
  readonly action: string;
  /** `s3://bucket/prefix/key` or `s3://bucket`. */
  readonly resource: string;
  readonly bucket: string;
  /** What was asked: the endpoint, or the region's. */
  readonly endpoint: string | undefined;
}

interface SdkError {
  readonly name?: string;
  readonly Code?: string;
  readonly code?: string;
  readonly message?: string;
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Record<string, string> };
}

interface Verdict {
  readonly code: string;
  readonly remedy: Remedy;
  readonly hint: string;
}

const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "TimeoutError",
  "NetworkingError",
]);

/** The SDK's name for what happened: `NoSuchBucket`, `AccessDenied`, `ECONNRESET`, … */
export function s3ErrorName(error: unknown): string {
  const sdk = error as SdkError;
  if (sdk.code !== undefined && NETWORK.has(sdk.code)) return sdk.code;
  return sdk.name === undefined || sdk.name === "Error" || sdk.name === "S3ServiceException"
    ? (sdk.Code ?? sdk.code ?? "Error")
    : sdk.name;
}

export function s3Status(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode;
}

/** Returns the error to throw: `signal.reason` after an abort, ReplayportError otherwise. */
export function s3Error(error: unknown, request: S3Request, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof ReplayportError) return error;
  const name = s3ErrorName(error);
  const status = s3Status(error);
  const verdict = judge(error as SdkError, name, status, request);
  const retryAfterMs = retryAfter(error as SdkError);
  const requestId = (error as SdkError).$metadata?.requestId;
  const detail = [name, status, requestId === undefined ? undefined : `request ${requestId}`]
    .filter(Boolean)
    .join(", ");
  return new ReplayportError(`${request.action} on ${request.resource} failed: ${messageOf(error)} (${detail})`, {
    ...verdict,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function judge(error: SdkError, name: string, status: number | undefined, request: S3Request): Verdict {
  const at = request.endpoint ?? "AWS";
  switch (name) {
    case "NoSuchBucket":
      return stop("lake.no_bucket", `Create the bucket ${request.bucket} at ${at}, or correct its name in the config.`);
    case "AccessDenied":
    case "AllAccessDisabled":
    case "KMS.AccessDenied":
      return stop(
        "lake.access_denied",
        `Allow ${request.action} on ${request.resource} to the identity in use; ` +
          "with a KMS key also kms:GenerateDataKey and kms:Decrypt on it.",
      );
    case "InvalidAccessKeyId":
    case "SignatureDoesNotMatch":
    case "InvalidToken":
    case "InvalidClientTokenId":
      return stop(
        "lake.bad_credentials",
        `The credentials are not known at ${at}: check the access key and its secret, and that they are of this account.`,
      );
    case "ExpiredToken":
    case "ExpiredTokenException":
      return stop(
        "lake.bad_credentials",
        "The session's credentials have expired: renew them, or let a role be assumed.",
      );
    case "RequestTimeTooSkewed":
      return stop("lake.clock", "This machine's clock is more than 15 minutes off: set it, for example with NTP.");
    case "CredentialsProviderError":
      return stop(
        "lake.no_credentials",
        "No credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the machine; " +
          "if a role is to be assumed, check its ARN, its trust policy and the external id.",
      );
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException": {
      const region = error.$response?.headers?.["x-amz-bucket-region"] ?? error.Region;
      return stop(
        "lake.wrong_region",
        `The bucket ${request.bucket} is in ${region === undefined ? "another region" : `the region ${region}`}: ` +
          "set `region` to it.",
      );
    }
    case "ENOTFOUND":
      return stop("lake.unknown_host", `No such host: check \`endpoint\` (${at}), \`region\` and the bucket's name.`);
    case "NotImplemented":
      return stop(
        "lake.not_supported",
        `The server at ${at} lacks something that a lake needs (${request.action} with If-None-Match): use S3 or a server that has it.`,
      );
    case "ConditionalRequestConflict":
      return again("lake.conflict", "Another attempt wrote the same name at the same moment. Nothing is wrong.");
    default:
  }
  if (error.message === "Region is missing") return stop("lake.wrong_region", "Set `region`, or AWS_REGION.");
  if (status === 403) return judge(error, "AccessDenied", undefined, request);
  if (status === 301) return judge(error, "PermanentRedirect", undefined, request);
  if (status === 501) return judge(error, "NotImplemented", undefined, request);
  if (NETWORK.has(name)) return again("lake.unreachable", `Check that ${at} can be reached from here.`);
  if (status === 404 && request.action === "s3:ListBucket") return judge(error, "NoSuchBucket", undefined, request);
  if (
    status === undefined ||
    status >= 500 ||
    status === 429 ||
    status === 408 ||
    status === 409 ||
    name === "SlowDown"
  ) {
    return again("lake.unavailable", `${at} asked for patience or broke off; the batch is tried again later.`);
  }
  if (name === "RequestTimeout" || name === "BadDigest" || name === "XAmzContentChecksumMismatch") {
    return again("lake.unavailable", "The request was damaged on its way; the batch is tried again later.");
  }
  if (status === 404) return again("lake.vanished", "Something else removed it; the batch is tried again later.");
  return stop(
    "lake.refused",
    `${at} refuses the request; check \`encryption\`, \`endpoint\` and \`force_path_style\`.`,
  );
}

function stop(code: string, hint: string): Verdict {
  return { code, remedy: "give-up", hint };
}

function again(code: string, hint: string): Verdict {
  return { code, remedy: "retry", hint };
}

/** Milliseconds from a Retry-After header in seconds. */
function retryAfter(error: SdkError): number | undefined {
  const seconds = Number(error.$response?.headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
