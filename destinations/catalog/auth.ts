/** The ways to sign a request to a catalog. */
import { bearerToken } from "./oauth2.ts";
import type { CatalogOptions } from "./options.ts";
import { type Signer, without } from "./signer.ts";
import { sigV4 } from "./sigv4.ts";

export function signerOf(options: CatalogOptions): Signer {
  const { auth } = options;
  switch (auth.type) {
    case "none":
      return { sign: (request) => Promise.resolve(request.headers), renew: () => false, redact: (text) => text };
    case "token":
      return {
        sign: ({ headers }) => Promise.resolve(withToken(headers, auth.token)),
        renew: () => false,
        redact: (text) => without(text, [auth.token]),
      };
    case "oauth2": {
      const tokens = bearerToken(options, auth);
      return {
        sign: async ({ headers }, signal) => withToken(headers, await tokens.get(signal)),
        renew: () => tokens.renew(),
        redact: (text) => without(text, [auth.clientSecret, ...tokens.seen()]),
      };
    }
    case "sigv4":
      return sigV4(auth);
    default:
      return auth satisfies never;
  }
}

function withToken(headers: Readonly<Record<string, string>>, token: string): Readonly<Record<string, string>> {
  return { ...headers, authorization: `Bearer ${token}` };
}
