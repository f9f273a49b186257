/**
 * Tokens of a service account that the credentials impersonate:
 * https://cloud.google.com/iam/docs/create-short-lived-credentials-direct
 *
 * The library's own class prints a warning to stderr, between our JSON lines, so it isn't used.
 */
import { giveUp, messageOf, ReplayportError, retry } from "../../src/errors.ts";
import { isTlsFault, untrusted } from "../../src/tls.ts";
import { denied } from "./denied.ts";
import { passes, type TokenClient } from "./tokens.ts";
import type { Impersonation } from "./options.ts";

const ENDPOINT = "https://iamcredentials.googleapis.com";
const LIFETIME_S = 3600;
/** How long before its end a token is renewed: as long as the upload of one part may take. */
const EARLY_MS = 300_000;
const REQUEST_MS = 60_000;

interface Answer {
  readonly accessToken?: string;
  readonly expireTime?: string;
  readonly error?: { readonly message?: string };
}

/** @param status undefined if nobody answered; `network` is then Node.js' code, if it has one */
function refused(account: string, status: number | undefined, message: string, network?: unknown): ReplayportError {
  const text = `unable to impersonate ${account}: ${message}`;
  if (isTlsFault(network)) return new ReplayportError(text, giveUp("bigquery.tls", untrusted(new URL(ENDPOINT).host)));
  if (status === undefined || passes(status)) {
    const code = status === undefined ? "bigquery.unreachable" : "bigquery.unavailable";
    return new ReplayportError(text, retry(code, `Check that this machine can reach ${new URL(ENDPOINT).host}.`));
  }
  if (status === 401) {
    const hint = "The token of the account that impersonates is refused: renew the credentials.";
    return new ReplayportError(text, giveUp("bigquery.bad_credentials", hint));
  }
  if (status === 400 || status === 404) {
    const hint = "Check the addresses under `impersonate`: there is no such service account.";
    return new ReplayportError(text, giveUp("bigquery.bad_credentials", hint));
  }
  const project = /@([^.]+)\.iam\.gserviceaccount\.com$/.exec(account)?.[1] ?? "<its project>";
  const action = "iam.serviceAccounts.getAccessToken";
  const request = { action, resource: { project }, endpoint: undefined, principal: account };
  return new ReplayportError(text, denied("accessDenied", message, request));
}

/** @param endpoint for tests, an origin */
export function impersonated(
  source: TokenClient,
  { serviceAccount, delegates = [] }: Impersonation,
  scope: string,
  now: () => number = Date.now,
  endpoint = ENDPOINT,
): TokenClient {
  const url = `${endpoint}/v1/projects/-/serviceAccounts/${encodeURIComponent(serviceAccount)}:generateAccessToken`;
  const body = JSON.stringify({
    scope: [scope],
    lifetime: `${LIFETIME_S}s`,
    ...(delegates.length > 0 ? { delegates: delegates.map((one) => `projects/-/serviceAccounts/${one}`) } : {}),
  });
  const request = async (): Promise<{ token: string; until: number }> => {
    const headers = await source.getRequestHeaders(url);
    headers.set("content-type", "application/json");
    const init = { method: "POST", headers, body, signal: AbortSignal.timeout(REQUEST_MS) };
    const response = await fetch(url, init).catch((error: unknown) => {
      // fetch hides what went wrong in the cause.
      const { cause } = error as Error;
      const { code } = (cause ?? {}) as { readonly code?: unknown };
      throw refused(`${serviceAccount} by ${endpoint}`, undefined, messageOf(cause ?? error), code);
    });
    const answer = (await response.json().catch(() => ({}))) as Answer;
    if (!response.ok || answer.accessToken === undefined) {
      throw refused(serviceAccount, response.status, answer.error?.message ?? `HTTP ${response.status}`);
    }
    return { token: answer.accessToken, until: Date.parse(answer.expireTime ?? "") || now() + LIFETIME_S * 1000 };
  };
  let current: Promise<{ token: string; until: number }> | undefined;
  const fresh = async (): Promise<string> => {
    const asked = current;
    const known = await asked?.catch(() => undefined);
    if (known && known.until - EARLY_MS > now()) return known.token;
    // Concurrent calls share one request.
    if (current === undefined || current === asked) current = request();
    return (await current).token;
  };
  return {
    getRequestHeaders: async () => new Headers({ authorization: `Bearer ${await fresh()}` }),
  };
}
