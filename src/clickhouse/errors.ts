/** Turns errors of ClickHouse and of the connection to it into ours. */
import { ClickHouseError } from "@clickhouse/client";
import { type Classification, ReplayportError, giveUp, messageOf, retry } from "../errors.ts";

const GRANT = "Grant what is missing, for example: GRANT SELECT ON posthog.* TO the user of source.clickhouse.";
const WRONG_LOGIN = giveUp("source.auth", "Check source.clickhouse.username and password.");

/**
 * By ClickHouse's error codes (src/Common/ErrorCodes.cpp of ClickHouse). A code that is neither here nor in TRANSIENT is
 * most often a mistake in the query, and is shown as it is.
 */
const BY_CODE: Readonly<Record<string, Classification>> = {
  "60": giveUp(
    "source.no_table",
    "Check source.clickhouse.database and table. PostHog's table is session_replay_events.",
  ),
  "81": giveUp("source.no_database", "Check source.clickhouse.database."),
  "115": giveUp(
    "source.too_old",
    "This ClickHouse is too old for a setting that Replayport needs; the message names it. Replayport is tested with 26.7.",
  ),
  "164": giveUp("source.readonly", "The user's profile has readonly = 1, which forbids settings. Set readonly = 2."),
  "193": WRONG_LOGIN,
  "194": WRONG_LOGIN,
  "497": giveUp("source.denied", GRANT),
  "516": WRONG_LOGIN,
  "159": retry("source.timeout", "The query took longer than limits.time. Raise it, or load smaller intervals."),
  "241": retry(
    "source.memory",
    "ClickHouse ran out of memory for the query. Raise limits.memory, or lower rows_per_file or limits.threads.",
  ),
  "202": retry("source.busy", "ClickHouse is running too many queries. Replayport retries."),
  "394": retry("source.killed", "Somebody or something killed the query. Replayport retries."),
  "735": retry("source.killed", "The query was cancelled. Replayport retries."),
};

const TRANSIENT = new Set(
  // Sockets, lost or lagging replicas, keeper, memory and merges under pressure, a server that starts or stops.
  [
    "3",
    "32",
    "95",
    "198",
    "203",
    "209",
    "210",
    "225",
    "236",
    "242",
    "252",
    "279",
    "285",
    "319",
    "369",
    "425",
    "439",
    "999",
  ],
);

/** Node.js' codes for a server that isn't there, goes away or doesn't answer. */
const NETWORK = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|socket hang up|Timeout error/;

/** @param doing what failed, as a sentence without its full stop: `cannot read the model of export replays` */
export function sourceError(doing: string, where: string, cause: unknown): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  if (cause instanceof ClickHouseError) {
    const classification =
      BY_CODE[cause.code] ??
      (TRANSIENT.has(cause.code)
        ? retry("source.query", "ClickHouse couldn't answer just now. Replayport retries.")
        : giveUp(
            "source.query",
            "ClickHouse refused the query; its message says why. If your config isn't the cause, please report it.",
          ));
    const message = cause.message.replace(/\s*\(version [^)]*\)\s*$/, "").slice(0, 1000);
    return new ReplayportError(`${doing}: ${where} answered code ${cause.code}: ${message}`, {
      ...classification,
      cause,
    });
  }
  const message = messageOf(cause);
  const { code = "" } = (cause ?? {}) as { code?: string };
  if (/CERT|SSL|TLS|self.signed/i.test(code) || /certificate/i.test(message)) {
    return new ReplayportError(`${doing}: no trusted connection to ${where}: ${message}`, {
      ...giveUp(
        "source.tls",
        "Check the scheme of source.clickhouse.url, and set ca_file to the authority's certificate.",
      ),
      cause,
    });
  }
  const classification = NETWORK.test(`${code} ${message}`)
    ? retry(
        "source.unreachable",
        "Check that ClickHouse is running and answers: source.clickhouse.url with /ping should say Ok.",
      )
    : retry("source.failed", "Replayport retries. If it keeps failing, the message says what to check.");
  return new ReplayportError(`${doing}: ${where}: ${message === "" ? code : message}`, { ...classification, cause });
}
