/**
 * Where the tokens come from. The client's own options for keys are not used: they are deprecated, and print a warning to
 * stderr. The classes behind them come from the very library that the client uses, found from the client's place.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { BigQueryCredentials, Impersonation } from "./options.ts";

const SCOPE = "https://www.googleapis.com/auth/bigquery";
/** What a source has to have to ask for another account's token. */
const WIDE_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** The slice of an AuthClient that the client of BigQuery calls: it authorizes a request, and refreshes when it is time. */
export interface TokenClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

/** The slice of google-auth-library that is used. */
interface AuthLibrary {
  readonly JWT: new (options: {
    email: string;
    key: string;
    keyId?: string | undefined;
    scopes: readonly string[];
  }) => TokenClient;
  readonly GoogleAuth: new (options: { scopes: readonly string[] }) => { getClient(): Promise<TokenClient> };
  readonly Impersonated: new (options: {
    sourceClient: TokenClient;
    targetPrincipal: string;
    delegates: readonly string[];
    targetScopes: readonly string[];
  }) => TokenClient;
}

interface ServiceAccountKey {
  readonly type?: string;
  readonly client_email?: string;
  readonly private_key?: string;
  readonly private_key_id?: string;
}

/** Opens a new client, with a new token: what is done after a token was refused. */
export type OpenTokens = () => Promise<TokenClient>;

export function tokensOf(credentials: BigQueryCredentials, impersonate: Impersonation | undefined): OpenTokens {
  return async () => {
    const scope = impersonate ? WIDE_SCOPE : SCOPE;
    const source = await openSource(credentials, scope);
    if (!impersonate) return source;
    const { Impersonated } = library();
    return new Impersonated({
      sourceClient: source,
      targetPrincipal: impersonate.serviceAccount,
      delegates: impersonate.delegates ?? [],
      targetScopes: [SCOPE],
    });
  };
}

async function openSource(credentials: BigQueryCredentials, scope: string): Promise<TokenClient> {
  switch (credentials.type) {
    case "default":
      return await new (library().GoogleAuth)({ scopes: [scope] }).getClient();
    case "key":
      return ofKey(credentials.json, scope, "the key in `credentials`");
    case "key_file":
      return ofKey(await readKey(credentials.path), scope, credentials.path);
    case "access_token":
      return {
        getRequestHeaders: () => Promise.resolve(new Headers({ authorization: `Bearer ${credentials.token}` })),
      };
    default:
      return credentials satisfies never;
  }
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw badKey(`${path} cannot be read: ${messageOf(error)}`);
  }
}

/** Nothing of the key is repeated in a message. */
function ofKey(json: string, scope: string, where: string): TokenClient {
  let key: ServiceAccountKey;
  try {
    key = JSON.parse(json) as ServiceAccountKey;
  } catch {
    throw badKey(`${where} is not JSON`);
  }
  const { client_email: email, private_key: secret, private_key_id: keyId } = key;
  if (key.type !== "service_account" || email === undefined || secret === undefined) {
    throw badKey(
      `${where} is not a service account's key${key.type === undefined ? "" : `, but of type ${JSON.stringify(key.type)}`}`,
    );
  }
  return new (library().JWT)({ email, key: secret, keyId, scopes: [scope] });
}

function badKey(message: string): ReplayportError {
  return new ReplayportError(message, {
    code: "bigquery.bad_credentials",
    remedy: "give-up",
    hint: "Give the JSON file that `gcloud iam service-accounts keys create` writes. For other kinds of credentials leave `credentials` out and set GOOGLE_APPLICATION_CREDENTIALS.",
  });
}

function library(): AuthLibrary {
  const here = createRequire(import.meta.url);
  return createRequire(here.resolve("@google-cloud/bigquery"))("google-auth-library") as AuthLibrary;
}
