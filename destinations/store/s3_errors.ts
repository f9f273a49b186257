/**
 * Turns the S3 SDK's errors into ReplayportError. The SDK's error isn't kept as the cause: it contains the request with its
 * signature, and some answers repeat the access key.
 */
import { FOREIGN } from "./s3_answers.ts";
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
  /** The header that the server refuses. */
  readonly Header?: string;
  readonly ArgumentName?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Record<string, string> };
}

/** Another body has arrived than was sent. */
const DAMAGED: ReadonlySet<string> = new Set([
  "RequestTimeout",
  "IncompleteBody",
  "BadDigest",
  "XAmzContentChecksumMismatch",
  "XAmzContentSHA256Mismatch",
]);
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

/** The region of the bucket, where the server says it. */
export function s3Region(error: unknown): string | undefined {
  return (error as SdkError).$response?.headers?.["x-amz-bucket-region"] ?? (error as SdkError).Region;
}

/** The header that a server refused, in lower case: by its own field, or else as the message names it. */
function refusedHeader({ Header, ArgumentName, message = "" }: SdkError): string | undefined {
  const named = [Header, ArgumentName].find((one) => one !== undefined && HEADER.test(one));
  return (named ?? HEADER.exec(message)?.[0])?.toLowerCase();
}

/** What to change in the config, by the header that a server refuses. */
function withoutHeader(header: string, at: string): string {
  const refused = `${at} refuses the header ${header}`;
  if (/checksum|trailer|content-sha256|content-encoding/.test(header)) return `${refused}. Set \`checksums: false\`.`;
  if (header.startsWith("x-amz-server-side-encryption")) {
    return `${refused}. Remove \`encryption\`, and let the bucket encrypt by itself.`;
  }
  if (header.startsWith("if-")) {
    return `${refused}, without which two attempts of one batch could both win. Use S3, or a server with conditional writes.`;
  }
  return `${refused}. Ask its operator what it needs.`;
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

const HEADER = /\b(?:x-amz-[a-z0-9-]+|if-(?:none-)?match|content-(?:md5|encoding|sha256)|transfer-encoding)\b/i;

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
    // versitygw's, with status 404.
    case "XAdminUserNotFound":
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
      const region = s3Region(error);
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
    case "NotImplemented": {
      const header = refusedHeader(error);
      return giveUp(
        "store.not_supported",
        header === undefined
          ? `The server at ${at} lacks something that a lake needs (${request.action} with If-None-Match). Use S3 or a server that has it.`
          : withoutHeader(header, at),
      );
    }
    case FOREIGN:
      return retry(
        "store.foreign_answer",
        `It isn't S3 that answered. Look for a proxy or a sign-in page before ${at}.`,
      );
    case "ConditionalRequestConflict":
      return retry("store.conflict", "Nothing is wrong: another attempt wrote the same name at the same time.");
    default:
  }
  if (error.message === "Region is missing") return giveUp("store.wrong_region", "Set `region`, or AWS_REGION.");
  if (status === 403) return classify(error, "AccessDenied", undefined, request);
  if (status === 301 || (status === 307 && s3Region(error) !== undefined))
    return classify(error, "PermanentRedirect", undefined, request);
  if (status === 501) return classify(error, "NotImplemented", undefined, request);
  if (NETWORK.has(name)) return retry("store.unreachable", `Check that this machine can reach ${at}.`);
  if (status === 404 && request.action === "s3:ListBucket") return classify(error, "NoSuchBucket", undefined, request);
  if (
    status === undefined ||
    status >= 500 ||
    // The name of a new bucket isn't known everywhere yet.
    status === 307 ||
    status === 429 ||
    status === 408 ||
    status === 409 ||
    name === "SlowDown"
  ) {
    return retry("store.unavailable", `${at} is overloaded or closed the connection. The batch will be retried.`);
  }
  if (status === 401) return classify(error, "InvalidAccessKeyId", undefined, request);
  if (DAMAGED.has(name)) {
    return retry("store.unavailable", "The request was damaged on its way. The batch will be retried.");
  }
  if (status === 404) return retry("store.vanished", "Something else removed it. The batch will be retried.");
  if (status < 300) return classify(error, FOREIGN, undefined, request);
  const header = refusedHeader(error);
  // An answer of S3 names its error.
  if (error.Code === undefined && status !== 400) {
    const what = status === 407 ? "A proxy asks for credentials" : "This answer doesn't look like S3's";
    return giveUp("store.refused", `${what}. Look for a proxy before ${at}, and check \`endpoint\` and \`checksums\`.`);
  }
  return giveUp(
    "store.refused",
    header === undefined
      ? `${at} refused the request. Check \`encryption\`, \`endpoint\`, \`checksums\` and \`force_path_style\`.`
      : withoutHeader(header, at),
  );
}

/** Milliseconds from a Retry-After header in seconds. */
function retryAfter(error: SdkError): number | undefined {
  const seconds = Number(error.$response?.headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
