/** Turns refusals of ClickHouse or of a proxy, and errors of the connection, into ours. */
import type { IncomingHttpHeaders } from "node:http";
import { type Classification, ReplayportError, giveUp, messageOf, retry } from "../errors.ts";
import { classifyCode } from "./exception_codes.ts";
import { isTlsFault } from "../tls.ts";

/** An answer that is an error: of ClickHouse if it has a code, of something in between if not. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: number | undefined;
  readonly headers: IncomingHttpHeaders;

  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    const text = body.trim();
    const code = Number(headers["x-clickhouse-exception-code"] ?? /^Code: (\d+)\. DB::/.exec(text)?.[1]);
    super(text.replace(/^Code: \d+\. DB::Exception: /, "").replace(/\s*\(version [^)]*\)\s*$/, ""));
    this.status = status;
    this.code = Number.isSafeInteger(code) ? code : undefined;
    this.headers = headers;
  }
}

/** Statuses of a proxy or load balancer that pass by themselves: too busy, or nothing behind it just now. */
const PASSING_STATUS = new Set([408, 421, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530]);

/** @param status of an answer without ClickHouse's code */
export function classifyStatus(status: number): Classification {
  if (PASSING_STATUS.has(status)) {
    return retry("source.unavailable", "A proxy in front of ClickHouse says it is busy or away. Replayport retries.");
  }
  switch (status) {
    case 401:
    case 403:
    case 407:
      return giveUp(
        "source.proxy_denied",
        "Something in front of ClickHouse refused the request. Check the proxy's users, rules and allowed addresses.",
      );
    case 413:
    case 414:
    case 431:
      return giveUp(
        "source.request_too_large",
        "A proxy limits the size of requests. Allow URLs and headers of 8 KiB, and bodies of 1 MiB.",
      );
    default:
      return giveUp(
        "source.not_clickhouse",
        "This is no answer of ClickHouse. Check scheme, host, port and path of source.clickhouse.url.",
      );
  }
}

/** Whether an answer with HTTP 200 is a page for people, such as a proxy's form to log in. */
export function isPage(headers: IncomingHttpHeaders, body: string): boolean {
  return /\bhtml\b/i.test(headers["content-type"] ?? "") || /^\s*<(?:!doctype|html|\?xml)/i.test(body);
}

/** Milliseconds from a Retry-After header, in seconds or as a date. */
function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const text = headers["retry-after"];
  if (text === undefined) return undefined;
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - sourceNow(headers);
  return ms > 0 ? ms : undefined;
}

function sourceNow(headers: IncomingHttpHeaders): number {
  const date = Date.parse(headers.date ?? "");
  return Number.isNaN(date) ? Date.now() : date;
}

/** `Quota for user `u` for 3600s has been exceeded: queries = 11/10. Interval will end at 2026-10-01 13:00:00.` */
const QUOTA_END =
  /^Quota for user `.*` for (\d+)s has been exceeded\b.*?Interval will end at (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/s;
/** Every zone is a multiple of this away from UTC. */
const ZONE_STEP_MS = 15 * 60_000;

/** Milliseconds until the quota ends. The message gives the end in the server's zone, without naming the zone. */
function quotaEnds({ message, headers }: Refusal): number | undefined {
  const [, seconds, day, time] = QUOTA_END.exec(message) ?? [];
  if (time === undefined) return undefined;
  const left = Date.parse(`${day}T${time}Z`) - sourceNow(headers);
  const longest = Number(seconds) * 1000;
  if (left > 0 && left <= longest) return left;
  // Another zone than UTC, then. Of all zones, the one whose end is nearest: asking too early does no harm.
  const nearest = ((left % ZONE_STEP_MS) + ZONE_STEP_MS) % ZONE_STEP_MS;
  return Math.abs(left) <= 26 * 3_600_000 && nearest <= longest ? nearest : undefined;
}

function refused(doing: string, where: string, refusal: Refusal): ReplayportError {
  const { status, code, message, headers } = refusal;
  const is = code === undefined ? classifyStatus(status) : classifyCode(code);
  const afterMs = is.code === "source.quota" ? quotaEnds(refusal) : retryAfter(headers);
  const answered = code === undefined ? `HTTP ${status}` : `HTTP ${status}, code ${code}`;
  const to = headers.location === undefined ? "" : ` and redirects to ${headers.location}`;
  const text = message === "" ? "" : `: ${message}`;
  return new ReplayportError(`${doing}: ${where} answered ${answered}${to}${text}`, {
    ...is,
    ...(afterMs === undefined || is.remedy === "give-up" ? {} : { retryAfterMs: afterMs }),
    cause: refusal,
  });
}

/** Node.js' codes for a server that isn't there, goes away or doesn't answer. */
const NETWORK = /^(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH)$/;
/** How messages of errors without a code begin. What follows may be a name of the user's, which is no reason for anything. */
const NETWORK_TEXT = /^(?:socket hang up|Timeout error|(?:connect|read|write|getaddrinfo) E[A-Z_]+)/;
const TLS_TEXT =
  /^(?:self.signed certificate|certificate has expired|unable to (?:verify|get) .*certificate|Hostname\/IP does not match certificate's altnames)/;

/** @param doing what failed, as a sentence without its full stop: `cannot read the model of export replays` */
export function sourceError(doing: string, where: string, cause: unknown): ReplayportError {
  if (cause instanceof ReplayportError) return cause;
  if (cause instanceof Refusal) return refused(doing, where, cause);
  const message = messageOf(cause);
  const { code = "" } = (cause ?? {}) as { code?: string };
  if (isTlsFault(code) || TLS_TEXT.test(message)) {
    return new ReplayportError(`${doing}: no trusted connection to ${where}: ${message}`, {
      ...giveUp(
        "source.tls",
        "Check the scheme of source.clickhouse.url, and set ca_file to the authority's certificate.",
      ),
      cause,
    });
  }
  if (code.startsWith("HPE_")) {
    return new ReplayportError(`${doing}: ${where} doesn't speak HTTP: ${message}`, {
      ...giveUp(
        "source.not_clickhouse",
        "Check scheme, host and port of source.clickhouse.url. 9000 isn't its HTTP port.",
      ),
      cause,
    });
  }
  const classification =
    NETWORK.test(code) || NETWORK_TEXT.test(message)
      ? retry(
          "source.unreachable",
          "Check that ClickHouse is running and answers: source.clickhouse.url with /ping should say Ok.",
        )
      : retry("source.failed", "Replayport retries. If it keeps failing, the message says what to check.");
  return new ReplayportError(`${doing}: ${where}: ${message === "" ? code : message}`, { ...classification, cause });
}
