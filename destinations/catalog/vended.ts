/** Credentials for a table's storage that a catalog gives out with the table. */

export interface VendedCredentials {
  /** They are for addresses that begin with this. "" for all of the table's. */
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  /** Milliseconds since 1970. Undefined if the catalog doesn't say. */
  readonly expiresAt: number | undefined;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean | undefined;
}

/** What a catalog says of the storage below an address. */
export interface StorageSettings {
  readonly prefix: string;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * Those for S3, the most specific prefix first.
 * @param config the table's settings. Older catalogs put the credentials in there
 */
export function vendedCredentials(
  listed: readonly StorageSettings[],
  config: Readonly<Record<string, string>>,
): readonly VendedCredentials[] {
  return [...listed, { prefix: "", config: {} }]
    .flatMap((own) => one(own.prefix, { ...config, ...own.config }))
    .sort((a, b) => b.prefix.length - a.prefix.length);
}

function one(prefix: string, config: Readonly<Record<string, string>>): VendedCredentials[] {
  const { "s3.access-key-id": accessKeyId, "s3.secret-access-key": secretAccessKey } = config;
  if (accessKeyId === undefined || secretAccessKey === undefined) return [];
  const expiresAt = Number(config["s3.session-token-expires-at-ms"] ?? config["expiration-time"] ?? Number.NaN);
  const pathStyle = config["s3.path-style-access"];
  return [
    {
      prefix,
      accessKeyId,
      secretAccessKey,
      sessionToken: config["s3.session-token"],
      expiresAt: Number.isFinite(expiresAt) ? expiresAt : undefined,
      region: config["client.region"] ?? config["s3.region"],
      endpoint: config["s3.endpoint"],
      forcePathStyle: pathStyle === undefined ? undefined : pathStyle === "true",
    },
  ];
}
