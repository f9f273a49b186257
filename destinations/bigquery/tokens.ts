/** Access tokens: the part of google-auth-library that is used, and what is wrong where it gives none. */
import { giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { isTlsFault, untrusted } from "../../src/tls.ts";

/** The part of google-auth-library's AuthClient that the SDK calls. It refreshes tokens by itself. */
export interface TokenClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

/** Whoever is signed in. */
export interface Identity {
  readonly client: TokenClient;
  /** The account that a grant would name, if the credentials say. */
  readonly principal: string | undefined;
}

/** Opens a new client with a new token, at first and after a token was refused. */
export type OpenTokens = () => Promise<Identity>;

/** The same client, whose errors say that it was a token that wasn't given, and by whom. */
export function reporting(client: TokenClient): TokenClient {
  return {
    getRequestHeaders: async (url) => {
      try {
        return await client.getRequestHeaders(url);
      } catch (error) {
        throw tokenError(error);
      }
    },
  };
}

/** The part of the library's errors that we read. They hold the request, so they never become a cause. */
interface AuthError {
  readonly code?: string | number;
  readonly status?: number;
  readonly response?: { readonly status?: number };
  readonly cause?: { readonly code?: string };
  readonly config?: { readonly url?: string | URL };
}

/** Of a file that isn't there, or a key that can't be read: nothing was sent. */
const LOCAL = /^(?:ENOENT|EACCES|EISDIR|EPERM|ERR_OSSL_\w+|ERR_INVALID_\w+)$/;

export function tokenError(error: unknown): ReplayportError {
  if (error instanceof ReplayportError) return error;
  const { code, cause, config, ...answer } = error as AuthError;
  const status = answer.status ?? answer.response?.status ?? (typeof code === "number" ? code : undefined);
  const network = [code, cause?.code].find((each) => typeof each === "string" && !LOCAL.test(each));
  const host = hostOf(config?.url);
  const message = messageOf(error);
  if (message.startsWith("Could not load the default credentials")) {
    return new ReplayportError(
      message,
      giveUp(
        "bigquery.no_credentials",
        "No credentials were found: set `credentials`, or GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`.",
      ),
    );
  }
  const text = `can't get an access token: ${message}`;
  if (status === undefined && isTlsFault(network)) {
    return new ReplayportError(text, giveUp("bigquery.tls", untrusted(host)));
  }
  if (status === undefined && network !== undefined) {
    const hint = `Check that this machine can reach ${host}, which gives out access tokens, and any proxy in between.`;
    return new ReplayportError(text, retry("bigquery.unreachable", hint));
  }
  if (status !== undefined && passes(status)) {
    return new ReplayportError(text, retry("bigquery.unavailable", `${host} isn't issuing access tokens right now.`));
  }
  return new ReplayportError(
    text,
    giveUp(
      "bigquery.bad_credentials",
      status === undefined
        ? "The credentials can't be used: check that the key's file is complete."
        : "Google rejects the credentials: check that the key is complete and not deleted, and that this machine's clock is right.",
    ),
  );
}

/** Whether a service that gives out tokens says that it's only busy. */
export function passes(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function hostOf(url: string | URL | undefined): string {
  return URL.parse(String(url))?.host ?? "oauth2.googleapis.com";
}
