/** How objects are encrypted at rest. Without `key`, the KMS key that the bucket names is used. */
export type S3Encryption = { readonly type: "AES256" } | { readonly type: "aws:kms"; readonly key?: string };

/** A role that is taken on before S3 is asked, with the default credentials (or `credentials`) as the base. */
export interface AssumeRole {
  readonly arn: string;
  readonly externalId?: string;
  readonly sessionName?: string;
}

/** A pair of keys. Without it, the SDK's default chain is used: environment, profile, web identity, instance role. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A bucket of S3, or of a server that speaks S3's protocol, conditional writes included. */
export interface S3Bucket {
  readonly bucket: string;
  /** A folder within the bucket, without a slash at its ends. */
  readonly prefix?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
  readonly encryption?: S3Encryption;
  readonly assumeRole?: AssumeRole;
  readonly credentials?: S3Credentials;
  /** How often one request is sent before its error counts. Default 5, with the SDK's back-off between. */
  readonly maxAttempts?: number;
  /** `false` for servers without CRC32. Default: as AWS_REQUEST_CHECKSUM_CALCULATION or the profile says, else `true`. */
  readonly checksums?: boolean;
}
