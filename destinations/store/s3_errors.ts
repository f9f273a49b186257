/**
 * Turns the S3 SDK's errors into ReplayportError. The SDK's error isn't kept as the cause: it contains the request with its
 * signature, and some answers repeat the access key.
 */
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";

export interface S3Request {
  /** The permission that the request needs, by its name in a policy: `s3:PutObject`. */
  readonly action: string;
  /** `s3://bucket/prefix/key` or `s3://bucket`. */
  readonly resource: string;
  readonly bucket: string;
  /** The endpoint or the region that the request went to. */
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
  const classification = classify(error as SdkError, name, status, request);
  const retryAfterMs = retryAfter(error as SdkError);
  const requestId = (error as SdkError).$metadata?.requestId;
  const detail = [name, status, requestId === undefined ? undefined : `request ${requestId}`]
    .filter(Boolean)
    .join(", ");
  return new ReplayportError(`${request.action} on ${request.resource} failed: ${messageOf(error)} (${detail})`, {
    ...classification,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function classify(error: SdkError, name: string, status: number | undefined, request: S3Request): Classification {
  const at = request.endpoint ?? "AWS";
  switch (name) {
    case "NoSuchBucket":
      return giveUp("store.no_bucket", `Create the bucket ${request.bucket} at ${at}, or fix its name in the config.`);
    case "AccessDenied":
    case "AllAccessDisabled":
    case "KMS.AccessDenied":
      return giveUp(
        "store.access_denied",
        `Allow ${request.action} on ${request.resource} for the identity in use. ` +
          "With a KMS key, also allow kms:GenerateDataKey and kms:Decrypt on the key.",
      );
    case "InvalidAccessKeyId":
    case "SignatureDoesNotMatch":
    case "InvalidToken":
    case "InvalidClientTokenId":
      return giveUp(
        "store.bad_credentials",
        `${at} doesn't know these credentials. Check the access key, its secret and which account they belong to.`,
      );
    case "ExpiredToken":
    case "ExpiredTokenException":
      return giveUp("store.bad_credentials", "The credentials have expired. Renew them, or set `assume_role`.");
    case "RequestTimeTooSkewed":
      return giveUp("store.clock", "This machine's clock is more than 15 minutes off. Set it, for example with NTP.");
    case "CredentialsProviderError":
      return giveUp(
        "store.no_credentials",
        "No credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role for the machine. " +
          "If a role should be assumed, check its ARN, its trust policy and the external id.",
      );
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException": {
      const region = error.$response?.headers?.["x-amz-bucket-region"] ?? error.Region;
      return giveUp(
        "store.wrong_region",
        `The bucket ${request.bucket} is in ${region === undefined ? "another region" : `the region ${region}`}. ` +
          "Set `region` to that.",
      );
    }
    case "ENOTFOUND":
      return giveUp(
        "store.unknown_host",
        `No such host. Check \`endpoint\` (${at}), \`region\` and the bucket's name.`,
      );
    case "NotImplemented":
      return giveUp(
        "store.not_supported",
        `The server at ${at} lacks something that a lake needs (${request.action} with If-None-Match). Use S3 or a server that has it.`,
      );
    case "ConditionalRequestConflict":
      return retry("store.conflict", "Nothing is wrong: another attempt wrote the same name at the same time.");
    default:
  }
  if (error.message === "Region is missing") return giveUp("store.wrong_region", "Set `region`, or AWS_REGION.");
  if (status === 403) return classify(error, "AccessDenied", undefined, request);
  if (status === 301) return classify(error, "PermanentRedirect", undefined, request);
  if (status === 501) return classify(error, "NotImplemented", undefined, request);
  if (NETWORK.has(name)) return retry("store.unreachable", `Check that this machine can reach ${at}.`);
  if (status === 404 && request.action === "s3:ListBucket") return classify(error, "NoSuchBucket", undefined, request);
  if (
    status === undefined ||
    status >= 500 ||
    status === 429 ||
    status === 408 ||
    status === 409 ||
    name === "SlowDown"
  ) {
    return retry("store.unavailable", `${at} is overloaded or closed the connection. The batch will be retried.`);
  }
  if (name === "RequestTimeout" || name === "BadDigest" || name === "XAmzContentChecksumMismatch") {
    return retry("store.unavailable", "The request was damaged on its way. The batch will be retried.");
  }
  if (status === 404) return retry("store.vanished", "Something else removed it. The batch will be retried.");
  return giveUp(
    "store.refused",
    `${at} refused the request. Check \`encryption\`, \`endpoint\` and \`force_path_style\`.`,
  );
}

/** Milliseconds from a Retry-After header in seconds. */
function retryAfter(error: SdkError): number | undefined {
  const seconds = Number(error.$response?.headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
