/** What signs a request to a catalog. */

export interface Unsigned {
  readonly method: string;
  readonly url: URL;
  /** Lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Signer {
  /** The headers to send. Rejects with ReplayportError if there are no credentials, or with `signal.reason`. */
  sign(request: Unsigned, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Whether the next request is signed with new credentials, after one was answered by 401. */
  renew(): boolean;
  /** The text without secrets that the catalog repeats. */
  redact(text: string): string;
}

/** What is shorter is no secret, and may be in any word. */
const SHORTEST = 4;

/** The text without secrets, which a catalog may repeat. */
export function without(text: string, secrets: readonly string[]): string {
  return secrets.reduce(
    (rest, secret) => (secret.length < SHORTEST ? rest : rest.replaceAll(secret, "[redacted]")),
    text,
  );
}
