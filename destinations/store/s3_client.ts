/** The S3 client as the options ask for it: credentials, patience, checksums. */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";
import { expectS3Answers } from "./s3_answers.ts";
import type { S3Bucket, S3Credentials } from "./s3_options.ts";

const CONNECT_MS = 10_000;
/** Without a byte in either direction. Completing a large upload may take S3 a minute, and it sends blanks meanwhile. */
const IDLE_MS = 60_000;
/** One request with its answer: a part of 16 MiB passes in it at half a Mbit/s. */
const REQUEST_MS = 300_000;
const MAX_ATTEMPTS = 5;

/** @param region in place of that of the options */
export function openS3Client(options: S3Bucket, region = options.region): S3Client {
  const credentials = credentialsOf(options);
  const client = new S3Client({
    ...(region === undefined ? {} : { region }),
    // Servers that only speak the protocol have no regions, but a signature needs one.
    ...(region === undefined && options.endpoint !== undefined ? { region: "us-east-1" } : {}),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: options.forcePathStyle ?? false,
    maxAttempts: options.maxAttempts ?? MAX_ATTEMPTS,
    retryMode: "standard",
    // If the options don't say, AWS_REQUEST_CHECKSUM_CALCULATION and the profile do.
    ...(options.checksums === undefined ? {} : checksums(options.checksums)),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
    },
  });
  expectS3Answers(client);
  return client;
}

function checksums(wanted: boolean): Pick<S3ClientConfig, "requestChecksumCalculation" | "responseChecksumValidation"> {
  const when = wanted ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
  return { requestChecksumCalculation: when, responseChecksumValidation: when };
}

/** Credentials for another service than S3, by the same rules. Ones that end are renewed. */
export function awsCredentials(
  options: Pick<S3Bucket, "assumeRole" | "credentials" | "region">,
): () => Promise<S3Credentials> {
  // The client keeps what its provider gives until shortly before its end. It never sends a request.
  const client = openS3Client({ ...options, bucket: "" });
  return () => client.config.credentials();
}

function credentialsOf(options: S3Bucket): S3ClientConfig["credentials"] {
  if (!options.assumeRole) return options.credentials;
  const { arn, externalId, sessionName } = options.assumeRole;
  return fromTemporaryCredentials({
    params: {
      RoleArn: arn,
      RoleSessionName: sessionName ?? "replayport",
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
    },
    ...(options.credentials === undefined ? {} : { masterCredentials: options.credentials }),
    ...(options.region === undefined ? {} : { clientConfig: { region: options.region } }),
  });
}
