/**
 * Where tokens come from. The client's own options for keys are deprecated and print a warning to stderr, so we use the
 * classes behind them, from the same library: the one that the client resolves.
 */
import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { giveUp, messageOf, ReplayportError } from "../../src/errors.ts";
import { unescapedPem } from "../warehouse/pem.ts";
import { impersonated } from "./impersonation.ts";
import { type Identity, type OpenTokens, reporting, type TokenClient, tokenError } from "./tokens.ts";
import type { BigQueryCredentials, Impersonation } from "./options.ts";

const SCOPE = "https://www.googleapis.com/auth/bigquery";
/** The scope that credentials need to get another account's token. */
const WIDE_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** The slice of google-auth-library that is used. */
interface AuthLibrary {
  readonly JWT: new (options: {
    email: string;
    key: string;
    keyId?: string | undefined;
    scopes: readonly string[];
  }) => TokenClient;
  readonly GoogleAuth: new (options: { scopes: readonly string[] }) => {
    getClient(): Promise<TokenClient & { readonly email?: string }>;
  };
}

interface ServiceAccountKey {
  readonly type?: string;
  readonly client_email?: string;
  readonly private_key?: string;
  readonly private_key_id?: string;
}

export function tokensOf(credentials: BigQueryCredentials, impersonate: Impersonation | undefined): OpenTokens {
  return async () => {
    const scope = impersonate ? WIDE_SCOPE : SCOPE;
    const { client, principal } = await openSource(credentials, scope).catch((error: unknown) => {
      throw tokenError(error);
    });
    const source = reporting(client);
    if (!impersonate) return { client: source, principal };
    return { client: impersonated(source, impersonate, SCOPE), principal: impersonate.serviceAccount };
  };
}

async function openSource(credentials: BigQueryCredentials, scope: string): Promise<Identity> {
  switch (credentials.type) {
    case "default": {
      const client = await new (library().GoogleAuth)({ scopes: [scope] }).getClient();
      return { client, principal: client.email };
    }
    case "key":
      return ofKey(credentials.json, scope, "the key in `credentials`");
    case "key_file":
      return ofKey(await readKey(credentials.path), scope, credentials.path);
    case "access_token": {
      const headers = { authorization: `Bearer ${credentials.token}` };
      return { client: { getRequestHeaders: () => Promise.resolve(new Headers(headers)) }, principal: undefined };
    }
    default:
      return credentials satisfies never;
  }
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw badKey(
      `can't read the service account's key: ${messageOf(error)}`,
      "Check `credentials_file`: its path is relative to the config.",
    );
  }
}

/** No message repeats any part of the key. */
function ofKey(json: string, scope: string, where: string): Identity {
  let key: ServiceAccountKey;
  try {
    key = JSON.parse(json) as ServiceAccountKey;
  } catch {
    throw badKey(`${where} is not JSON`);
  }
  const { client_email: email, private_key_id: keyId } = key;
  const secret = key.private_key === undefined ? undefined : unescapedPem(key.private_key);
  if (key.type !== "service_account") {
    throw badKey(`${where} is not a service account's key, but of type ${JSON.stringify(key.type ?? "none")}`);
  }
  if (email === undefined || secret === undefined) throw badKey(`${where} lacks client_email or private_key`);
  try {
    createPrivateKey(secret);
  } catch (error) {
    // The rest of OpenSSL's message can contain parts of the key.
    const reason = /\w+ routines::[\w ]+/.exec(messageOf(error))?.[0] ?? "not a PEM key";
    throw badKey(
      `the private_key of ${where} can't be read (${reason})`,
      "It is cut off, or something has changed its line breaks: give the JSON file as `gcloud iam service-accounts keys create` writes it.",
    );
  }
  return { client: new (library().JWT)({ email, key: secret, keyId, scopes: [scope] }), principal: email };
}

const HOW_TO =
  "Give the JSON file that `gcloud iam service-accounts keys create` writes. For other kinds of credentials leave `credentials` out and set GOOGLE_APPLICATION_CREDENTIALS.";

function badKey(message: string, hint = HOW_TO): ReplayportError {
  return new ReplayportError(message, giveUp("bigquery.bad_credentials", hint));
}

function library(): AuthLibrary {
  // Step by step: a package may not be able to resolve the dependencies of its dependencies.
  const steps = ["@google-cloud/bigquery", "@google-cloud/common"];
  const from = steps.reduce((place, step) => createRequire(place).resolve(step), import.meta.url);
  return createRequire(from)("google-auth-library") as AuthLibrary;
}
