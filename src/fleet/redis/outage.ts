/** Reports an outage of Redis once, and its end once, however often clients try to connect. */
import type { RedisClient } from "./client.ts";

export interface OutageLog {
  readonly away: (error: unknown) => void;
  readonly back: () => void;
}

const CONNECTION =
  /ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE|Connection is closed|Stream isn't writeable|Command timed out|Socket timeout|max retries per request|LOADING|MASTERDOWN|CLUSTERDOWN|All sentinels|slots cache|READONLY/i;

export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return CONNECTION.test(`${code} ${error.name} ${error.message}`) || error.name === "AggregateError";
}

/** One connection of the process. */
export interface Outage {
  /** For the client's `error`. */
  readonly onError: (error: unknown) => void;
  /** Watches for the end of the outage. */
  readonly follow: (client: RedisClient) => void;
}

/** The outage begins with the first connection that is lost, and ends when the last one is back. */
export function watchOutages(log: OutageLog, onOther: (error: unknown) => void): () => Outage {
  const away = new Set<Outage>();
  return () => {
    const outage: Outage = {
      onError: (error) => {
        if (!isConnectionError(error)) {
          onOther(error);
          return;
        }
        if (away.size === 0) log.away(error);
        away.add(outage);
      },
      follow: (client) => {
        client.on("ready", () => {
          if (away.delete(outage) && away.size === 0) log.back();
        });
      },
    };
    return outage;
  };
}
