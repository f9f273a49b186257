/**
 * What an error of Redis means, and what the operator does about it. A Redis that answers is distinguished from one that doesn't: its reply
 * begins with a code, and only the code and texts that Redis itself wrote decide, since the rest of a reply may name users and keys.
 */
import { type Classification, giveUp, messageOf, ReplayportError, retry } from "../../errors.ts";
import type { FleetRedisOptions } from "../fleet.ts";

/** For messages; without the password. */
export function redisName({ hosts, tls, kind, db, master }: FleetRedisOptions): string {
  const scheme = `redis${tls ? "s" : ""}${kind === "single" ? "" : `+${kind}`}`;
  const where = hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  return `${scheme}://${where}${master === undefined ? "" : `/${master}`}${kind === "cluster" ? "" : `/${db}`}`;
}

/** What an error begins with, what is wrong with Redis, and what to do. */
type Rule = readonly [pattern: RegExp, problem: string, Classification];

/** How Redis refuses commands because of what it is, or who we are. Another reply is about the command itself. */
const REFUSALS: readonly Rule[] = [
  [
    /^(?:NOAUTH\b|ERR operation not permitted)/,
    "requires a password",
    giveUp("redis.password", "Set redis.password in the config, and redis.username if it isn't the default user's."),
  ],
  [
    /^(?:WRONGPASS\b|ERR invalid (?:password|username-password))/,
    "refused the password",
    giveUp(
      "redis.password",
      "Fix redis.password and redis.username in the config, or the user and password in redis.url.",
    ),
  ],
  [
    /^ERR (?:DB index is out of range|invalid DB index|SELECT is not allowed)/,
    "has no such database",
    giveUp("redis.db", "Fix the number at the end of redis.url, or leave it out."),
  ],
  [
    /^(?:NOPERM\b|ERR ACL failure in script|(?:ERR )?The user executing the script can't )/,
    "denies this user a permission that the fleet needs",
    giveUp(
      "redis.permission",
      "Allow the user every command except dangerous ones on the fleet's keys: ACL SETUSER name ~{prefix}:* +@all -@dangerous.",
    ),
  ],
  [
    /^READONLY\b/,
    "is a read-only replica",
    retry(
      "redis.read_only",
      "Set redis.url to the primary, or use redis+sentinel://, which finds it. After a failover this passes by itself.",
    ),
  ],
  [
    /^OOM\b/,
    "is out of memory",
    retry("redis.memory", "Give it more memory (maxmemory), or remove what else is in it."),
  ],
  [
    /^MISCONF\b/,
    "can't save to its disk and takes no writes",
    retry("redis.disk", "Its log says why: often the disk is full or its folder isn't writable."),
  ],
  [
    /^NOREPLICAS\b/,
    "has too few replicas to take writes",
    retry("redis.replicas", "Bring the replicas back, or lower min-replicas-to-write."),
  ],
  [
    /^(?:LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|UNBLOCKED)\b/,
    "isn't ready",
    retry("redis.unready", "It is starting, failing over or busy with a script. This passes by itself."),
  ],
  [
    /^ERR max number of clients/,
    "has too many connections",
    retry("redis.clients", "Raise maxclients, or close other connections. Each process of the fleet needs about five."),
  ],
  [
    /^(?:ERR unknown (?:command|subcommand)|ERR Unknown Redis command|ERR timeout is not )/i,
    "lacks a command that the fleet needs",
    giveUp(
      "redis.unsupported",
      "Use Redis 6.2 or newer, or Valkey, directly rather than through a proxy, and with no command renamed or disabled.",
    ),
  ],
  [
    /^(?:MOVED|ASK|CROSSSLOT)\b|^ERR This instance has cluster support disabled/,
    "is a cluster where redis.url names one server, or the other way round",
    giveUp("redis.topology", "Write redis+cluster:// for a cluster, and redis:// for one server."),
  ],
  [
    /^DENIED\b/,
    "is in protected mode and answers only its own machine",
    giveUp(
      "redis.protected",
      "Set a password in Redis (requirepass) and in redis.password, or turn protected-mode off.",
    ),
  ],
];

const OTHER_REPLY: Classification = retry("redis.refused", "Redis' documentation explains this answer.");

/** Why no answer came. */
const CONNECTIONS: readonly Rule[] = [
  [
    /alert certificate required|alert handshake failure|alert bad certificate/i,
    "doesn't accept the connection without a client certificate that it knows",
    giveUp(
      "redis.certificate",
      "Set redis.cert_file and redis.key_file to a certificate that Redis trusts, and its key.",
    ),
  ],
  [
    /certificate|altnames|CERT_/i,
    "has a certificate that isn't trusted",
    giveUp(
      "redis.certificate",
      "Set redis.ca_file to the PEM file of its authority, and check that the certificate is for redis.url's host.",
    ),
  ],
  [
    /EPIPE|ECONNRESET/,
    "closes the connection",
    retry(
      "redis.closed",
      "Its log says why. It may have too many connections (maxclients), be in protected mode, expect TLS (rediss://), no TLS (redis://) or a client certificate (redis.cert_file and redis.key_file).",
    ),
  ],
];

const UNREACHABLE: Classification = retry(
  "redis.unreachable",
  "Check that Redis is running, and that redis.url is its address (redis:// without TLS, rediss:// with TLS).",
);

/** The same error, with a hint that an operator can act on. */
export function redisError(cause: unknown, options: FleetRedisOptions): ReplayportError {
  const error = innermost(cause);
  if (error instanceof ReplayportError) return error;
  const text = messageOf(error);
  const [, problem, classification] = isReply(error)
    ? (refusalOf(text) ?? [undefined, "refuses", OTHER_REPLY])
    : (CONNECTIONS.find(([pattern]) => pattern.test(text)) ?? [undefined, "can't be reached", UNREACHABLE]);
  const { hint } = classification;
  return new ReplayportError(`Redis at ${redisName(options)} ${problem}: ${text}`, {
    ...classification,
    ...(hint === undefined ? {} : { hint: hint.replace("{prefix}", options.prefix) }),
    cause,
  });
}

function refusalOf(text: string): Rule | undefined {
  const own = ownText(text);
  return REFUSALS.find(([pattern]) => pattern.test(own));
}

/** Without what Redis 6 writes before the error of a command within a script, and ioredis before that of a cluster. */
function ownText(text: string): string {
  return text
    .replace(/^Too many Cluster redirections\. Last error: (?:ReplyError: )?/, "")
    .replace(/^ERR Error running script \(call to f_[0-9a-f]{40}\): @user_script:\d+: (?:@user_script: ?\d+: )?-?/, "");
}

/** Whether Redis refuses because of its state or our rights: the same command may succeed later. */
export function isRefusal(error: unknown): boolean {
  return isReply(error) && refusalOf(messageOf(error)) !== undefined;
}

/** Whether the user may not use the command, or the server doesn't have it. */
export function isForbidden(error: unknown): boolean {
  return isReply(error) && /^(?:NOPERM\b|ERR unknown (?:command|subcommand))/i.test(messageOf(error));
}

/** Whether it's Redis that answered with an error, rather than the connection that broke. */
export function isReply(error: unknown): boolean {
  const one = innermost(error);
  return one instanceof Error && (one.name === "ReplyError" || one.message.startsWith("Too many Cluster redirections"));
}

const CONNECTION =
  /ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE|Connection is closed|connection close|Stream isn't writeable|Command timed out|Socket timeout|max retries per request|All sentinels|slots cache|startup nodes|certificate|TLS|SSL/i;

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return CONNECTION.test(`${code} ${error.name} ${error.message}`) || error.name === "AggregateError";
}

/** What a command of a connection that waits for Redis still fails with: a reply, or a pipeline that a lost connection cut in two. */
export function isFromCommand(error: unknown): boolean {
  return isReply(error) || messageOf(error) === "Command aborted due to connection close";
}

/** Whether Redis is away or refuses, which its connections report by themselves. */
export function isOfRedis(error: unknown): boolean {
  return isReply(error) || isConnectionError(error);
}

/** Of an error that lists others, the first; of one about a cluster, that of its node. */
function innermost(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0]);
  if (error instanceof Error && "lastNodeError" in error && error.lastNodeError instanceof Error) {
    return innermost(error.lastNodeError);
  }
  return error;
}
