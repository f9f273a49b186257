/** What ClickHouse and the way to it can answer, in the operator's words. */
import { ClickHouseError } from "@clickhouse/client";
import { ReplayportError, type Remedy, messageOf } from "../errors.ts";

interface Advice {
  readonly code: string;
  readonly remedy: Remedy;
  readonly hint: string;
}

const grant = "Grant what is missing, for example: GRANT SELECT ON posthog.* TO the user of source.clickhouse.";

/** By ClickHouse's error codes (src/Common/ErrorCodes.cpp of ClickHouse). What is not here is a mistake to be shown. */
const ADVICE: Readonly<Record<string, Advice>> = {
  "60": {
    code: "source.no_table",
    remedy: "give-up",
    hint: "Check source.clickhouse.database and table. PostHog's table is session_replay_events.",
  },
  "81": { code: "source.no_database", remedy: "give-up", hint: "Check source.clickhouse.database." },
  "115": {
    code: "source.too_old",
    remedy: "give-up",
    hint: "This ClickHouse is too old for a setting that Replayport needs, which the message names. Replayport is tested with 26.7.",
  },
  "164": {
    code: "source.readonly",
    remedy: "give-up",
    hint: "The user's profile has readonly = 1, which forbids settings. Give it readonly = 2.",
  },
  "193": { code: "source.auth", remedy: "give-up", hint: "Check source.clickhouse.username and password." },
  "194": { code: "source.auth", remedy: "give-up", hint: "Check source.clickhouse.username and password." },
  "497": { code: "source.denied", remedy: "give-up", hint: grant },
  "516": { code: "source.auth", remedy: "give-up", hint: "Check source.clickhouse.username and password." },
  "159": {
    code: "source.timeout",
    remedy: "retry",
    hint: "The query took longer than limits.time. Raise it, or load smaller intervals.",
  },
  "241": {
    code: "source.memory",
    remedy: "retry",
    hint: "ClickHouse ran out of memory for the query. Raise limits.memory, or lower rows_per_file or limits.threads.",
  },
  "202": { code: "source.busy", remedy: "retry", hint: "ClickHouse has too many queries at the moment." },
  "394": { code: "source.killed", remedy: "retry", hint: "Somebody or something killed the query; it is tried again." },
  "735": { code: "source.killed", remedy: "retry", hint: "The query was cancelled; it is tried again." },
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

/** The codes of Node.js where a server is not there, goes away or does not answer. */
const NETWORK = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|socket hang up|Timeout error/;

/** @param doing what failed, as a sentence without its full stop: `cannot read the model of export replays` */
export function sourceError(doing: string, where: string, cause: unknown): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  if (cause instanceof ClickHouseError) {
    const advice: Advice = ADVICE[cause.code] ?? {
      code: "source.query",
      remedy: TRANSIENT.has(cause.code) ? "retry" : "give-up",
      hint: TRANSIENT.has(cause.code)
        ? "ClickHouse could not answer now; it is tried again."
        : "ClickHouse refused the query. Its message names the reason; report it if the config is not the cause.",
    };
    const message = cause.message.replace(/\s*\(version [^)]*\)\s*$/, "").slice(0, 1000);
    return new ReplayportError(`${doing}: ${where} answered code ${cause.code}: ${message}`, { ...advice, cause });
  }
  const message = messageOf(cause);
  const { code = "" } = (cause ?? {}) as { code?: string };
  if (/CERT|SSL|TLS|self.signed/i.test(code) || /certificate/i.test(message)) {
    return new ReplayportError(`${doing}: no trusted connection to ${where}: ${message}`, {
      code: "source.tls",
      remedy: "give-up",
      hint: "Check the scheme of source.clickhouse.url, and name the authority's certificate as ca_file.",
      cause,
    });
  }
  const network = NETWORK.test(`${code} ${message}`);
  return new ReplayportError(`${doing}: ${where}: ${message === "" ? code : message}`, {
    code: network ? "source.unreachable" : "source.failed",
    remedy: "retry",
    hint: network
      ? "Check that ClickHouse runs there and answers: source.clickhouse.url with /ping should say Ok."
      : "It is tried again; if it goes on, the message names what to look at.",
    cause,
  });
}
