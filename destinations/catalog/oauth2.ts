/** Access tokens by client credentials. https://datatracker.ietf.org/doc/html/rfc6749#section-4.4 */
import { giveUp, ReplayportError, retry } from "../../src/errors.ts";
import { once } from "./once.ts";
import type { CatalogAuth, CatalogOptions } from "./options.ts";
import { bareAddress, plainRequests, type Reply } from "./request.ts";

/** A token is renewed this long before its end, or after three quarters of its life if that is later. */
const EARLY_MS = 60_000;
/** Where the answer doesn't say. */
const LIFE_S = 3600;

export interface Tokens {
  get(signal: AbortSignal): Promise<string>;
  /** Drops the token, which was refused. False if there's no other to be had: this one is new. */
  renew(): boolean;
  /** The current token, if there is one: answers may repeat it. */
  seen(): readonly string[];
}

interface Token {
  readonly text: string;
  readonly renewAt: number;
}

type OAuth2 = CatalogAuth & { readonly type: "oauth2" };

export function bearerToken(options: CatalogOptions, auth: OAuth2, now: () => number = Date.now): Tokens {
  const address = auth.tokenUrl ?? `${bareAddress(options.uri)}/v1/oauth/tokens`;
  const post = plainRequests(options.timeoutMs);
  let latest: Token | undefined;
  const request = async (): Promise<Token> => {
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: auth.clientId,
      client_secret: auth.clientSecret,
      scope: auth.scope ?? "catalog",
    });
    const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
    const asked = now();
    // Others may wait for the same token, so the signal of one of them doesn't end the request.
    const reply = await post(
      new URL(address),
      { method: "POST", headers, body: form.toString() },
      new AbortController().signal,
    );
    const { access_token: text, expires_in: seconds } = (reply.json ?? {}) as Record<string, unknown>;
    if (!reply.ok || typeof text !== "string" || text === "") throw refused(reply, address, auth);
    const lifeMs = (typeof seconds === "number" ? seconds : LIFE_S) * 1000;
    latest = { text, renewAt: asked + Math.max(lifeMs - EARLY_MS, lifeMs * 0.75) };
    return latest;
  };
  let current = once(request);
  return {
    async get(signal) {
      const token = await current(signal);
      if (now() < token.renewAt) return token.text;
      // Whoever finds it old first replaces it.
      if (latest === token) {
        latest = undefined;
        current = once(request);
      }
      return (await current(signal)).text;
    },
    renew() {
      latest = undefined;
      current = once(request);
      return true;
    },
    seen: () => (latest ? [latest.text] : []),
  };
}

function refused(
  { status, type, message }: Reply,
  address: string,
  { clientId, clientSecret }: OAuth2,
): ReplayportError {
  const said = [status, type, message].filter(Boolean).join(" ").replaceAll(clientSecret, "[redacted]");
  const text = `${bareAddress(address)} gives no token to client ${clientId}: ${said}`;
  if (status === 408 || status === 429 || status >= 500)
    return new ReplayportError(text, retry("catalog.unavailable", "The token server is busy or down."));
  return new ReplayportError(
    text,
    giveUp(
      "catalog.unauthorized",
      "Check `client_id`, `client_secret`, `scope` and `token_url`, and that the client wasn't deleted.",
    ),
  );
}
