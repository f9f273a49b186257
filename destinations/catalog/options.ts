/** How an Iceberg REST catalog is reached. Secrets come from the environment. */
import type { AssumeRole, S3Credentials } from "../store/s3_options.ts";

/** How requests are signed. */
export type CatalogAuth =
  | { readonly type: "none" }
  /** A bearer token that doesn't end. */
  | { readonly type: "token"; readonly token: string }
  /** Client credentials. Tokens are renewed before they end. */
  | {
      readonly type: "oauth2";
      readonly clientId: string;
      readonly clientSecret: string;
      /** Default: `v1/oauth/tokens` of the catalog. */
      readonly tokenUrl?: string;
      /** Default `catalog`. */
      readonly scope?: string;
    }
  /** AWS: `glue` or `s3tables`. Without credentials, the SDK's default chain. */
  | {
      readonly type: "sigv4";
      readonly service: string;
      readonly region: string;
      readonly credentials?: S3Credentials;
      readonly assumeRole?: AssumeRole;
    };

export interface CatalogOptions {
  /** Without `/v1`: `https://glue.eu-central-1.amazonaws.com/iceberg`. */
  readonly uri: string;
  /** What the catalog calls a warehouse: an account id for Glue, an ARN for S3 Tables, a name for others. */
  readonly warehouse?: string;
  readonly auth: CatalogAuth;
  /** Ask for credentials of the table's storage. */
  readonly vendedCredentials?: boolean;
  /** One request with its answer, in milliseconds. Default a minute. */
  readonly timeoutMs?: number;
}
