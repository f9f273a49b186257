/**
 * What ClickHouse's exception codes say about trying again (src/Common/ErrorCodes.cpp of ClickHouse). A code that isn't
 * here is most often a mistake in the query or in the config, and trying again doesn't help.
 */
import { type Classification, giveUp, retry } from "../errors.ts";

const GRANT = "Grant what is missing, for example: GRANT SELECT ON posthog.* TO the user of source.clickhouse.";

interface Kind {
  readonly is: Classification;
  /** Code and name, as ClickHouse has them. */
  readonly codes: readonly string[];
}

/** These pass by themselves. */
const PASSING: readonly Kind[] = [
  {
    is: retry("source.busy", "ClickHouse has too much to do. Replayport retries."),
    codes: [
      "202 TOO_MANY_SIMULTANEOUS_QUERIES",
      "203 NO_FREE_CONNECTION",
      "216 QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
      "252 TOO_MANY_PARTS",
      "364 RECEIVED_ERROR_TOO_MANY_REQUESTS",
      "373 SESSION_IS_LOCKED",
      "439 CANNOT_SCHEDULE_TASK",
      "473 DEADLOCK_AVOIDED",
      "700 USER_SESSION_LIMIT_EXCEEDED",
      "745 SERVER_OVERLOADED",
      "749 TCP_CONNECTION_LIMIT_REACHED",
      "762 HTTP_CONNECTION_LIMIT_REACHED",
      "763 SESSION_REFUSED",
      "776 RESOURCE_LIMIT_EXCEEDED",
    ],
  },
  {
    is: retry(
      "source.memory",
      "ClickHouse ran out of memory for the query. Raise limits.memory, or lower rows_per_file or limits.threads.",
    ),
    codes: [
      "173 CANNOT_ALLOCATE_MEMORY",
      "241 MEMORY_LIMIT_EXCEEDED",
      "777 MEMORY_RESERVATION_KILLED",
      "778 MEMORY_RESERVATION_FAILED",
    ],
  },
  {
    is: retry("source.disk", "The server's disk is full, where large queries spill to. Replayport retries."),
    codes: ["243 NOT_ENOUGH_SPACE", "1008 TEMPORARY_DATA_NOT_IN_CACHE"],
  },
  {
    is: retry(
      "source.quota",
      "The user has used up a quota of ClickHouse. Replayport retries when it ends; raise it if that happens often.",
    ),
    codes: ["201 QUOTA_EXCEEDED"],
  },
  {
    is: retry("source.timeout", "The query took longer than limits.time. Raise it, or load smaller intervals."),
    codes: ["159 TIMEOUT_EXCEEDED", "160 TOO_SLOW"],
  },
  {
    is: retry("source.killed", "The query was cancelled, or the server was stopped. Replayport retries."),
    codes: [
      "236 ABORTED",
      "394 QUERY_WAS_CANCELLED",
      "677 THREAD_WAS_CANCELED",
      "734 CANNOT_WRITE_AFTER_BUFFER_CANCELED",
      "735 QUERY_WAS_CANCELLED_BY_CLIENT",
    ],
  },
  {
    is: retry("source.network", "ClickHouse's servers couldn't reach each other. Replayport retries."),
    codes: [
      "3 UNEXPECTED_END_OF_FILE",
      "32 ATTEMPT_TO_READ_AFTER_EOF",
      "86 RECEIVED_ERROR_FROM_REMOTE_IO_SERVER",
      "95 CANNOT_READ_FROM_SOCKET",
      "96 CANNOT_WRITE_TO_SOCKET",
      "100 UNKNOWN_PACKET_FROM_SERVER",
      "102 UNEXPECTED_PACKET_FROM_SERVER",
      "198 DNS_ERROR",
      "209 SOCKET_TIMEOUT",
      "210 NETWORK_ERROR",
      "279 ALL_CONNECTION_TRIES_FAILED",
      "297 SHARD_HAS_NO_CONNECTIONS",
      "410 EXTERNAL_SERVER_IS_NOT_RESPONDING",
      "519 NO_REMOTE_SHARD_AVAILABLE",
      "904 TOO_MANY_UNAVAILABLE_SHARDS",
      "1000 POCO_EXCEPTION",
    ],
  },
  {
    is: retry("source.replicas", "Replicas are away, lag behind or are starting. Replayport retries."),
    codes: [
      "218 TABLE_IS_DROPPED",
      "225 NO_ZOOKEEPER",
      "232 NO_SUCH_DATA_PART",
      "234 NO_REPLICA_HAS_PART",
      "242 TABLE_IS_READ_ONLY",
      "244 UNEXPECTED_ZOOKEEPER_ERROR",
      "254 NO_ACTIVE_REPLICAS",
      "265 NO_AVAILABLE_REPLICA",
      "285 TOO_FEW_LIVE_REPLICAS",
      "289 REPLICA_IS_NOT_IN_QUORUM",
      "319 UNKNOWN_STATUS_OF_INSERT",
      "369 ALL_REPLICAS_ARE_STALE",
      "384 PART_IS_TEMPORARILY_LOCKED",
      "415 ALL_REPLICAS_LOST",
      "416 REPLICA_STATUS_CHANGED",
      "529 NOT_A_LEADER",
      "568 RAFT_ERROR",
      "667 NOT_INITIALIZED",
      "695 ASYNC_LOAD_FAILED",
      "696 ASYNC_LOAD_CANCELED",
      "722 ASYNC_LOAD_WAIT_FAILED",
      "733 TABLE_IS_BEING_RESTARTED",
      "738 PART_IS_LOCKED",
      "999 KEEPER_EXCEPTION",
      "1005 STALE_VERSION",
    ],
  },
  {
    is: retry(
      "source.storage",
      "ClickHouse couldn't read its storage. Replayport retries; a replicated table fetches broken parts again.",
    ),
    codes: [
      "23 CANNOT_READ_FROM_ISTREAM",
      "33 CANNOT_READ_ALL_DATA",
      "40 CHECKSUM_DOESNT_MATCH",
      "74 CANNOT_READ_FROM_FILE_DESCRIPTOR",
      "75 CANNOT_WRITE_TO_FILE_DESCRIPTOR",
      "76 CANNOT_OPEN_FILE",
      "107 FILE_DOESNT_EXIST",
      "246 CORRUPTED_DATA",
      "271 CANNOT_DECOMPRESS",
      "411 PTHREAD_ERROR",
      "425 SYSTEM_ERROR",
      "499 S3_ERROR",
      "500 AZURE_BLOB_STORAGE_ERROR",
      "660 HDFS_ERROR",
      "693 AWS_ERROR",
      "707 GCP_ERROR",
      "737 GOOGLE_CLOUD_ERROR",
      "740 POTENTIALLY_BROKEN_DATA_PART",
      "900 DISTRIBUTED_CACHE_ERROR",
      "901 CANNOT_USE_DISTRIBUTED_CACHE",
      "903 DISTRIBUTED_CACHE_REGISTRY_SHUTDOWN",
      "1001 STD_EXCEPTION",
      "1009 S3_OBJECT_CHANGED_DURING_READ",
    ],
  },
];

/** These need a person, who gets a better hint than the message alone. */
const LASTING: readonly Kind[] = [
  {
    is: giveUp(
      "source.no_table",
      "Check source.clickhouse.database and table. PostHog's table is session_replay_events.",
    ),
    codes: ["60 UNKNOWN_TABLE"],
  },
  { is: giveUp("source.no_database", "Check source.clickhouse.database."), codes: ["81 UNKNOWN_DATABASE"] },
  {
    is: giveUp(
      "source.too_old",
      "This ClickHouse is too old for a setting that Replayport needs; the message names it. 23.10 is the oldest that works.",
    ),
    codes: ["115 UNKNOWN_SETTING"],
  },
  {
    is: giveUp("source.readonly", "The user's profile has readonly = 1, which forbids settings. Set readonly = 2."),
    codes: ["164 READONLY"],
  },
  {
    is: giveUp(
      "source.settings_refused",
      "A constraint of the user's profile forbids a setting that the export depends on; the message names it. " +
        "Remove the constraint, or give Replayport a separate user.",
    ),
    codes: ["452 SETTING_CONSTRAINT_VIOLATION", "471 INVALID_SETTING_VALUE", "472 READONLY_SETTING"],
  },
  {
    is: giveUp(
      "source.limit",
      "A limit of the user's profile ended the query; the message names it. Raise it, or load smaller intervals.",
    ),
    codes: [
      "158 TOO_MANY_ROWS",
      "191 SET_SIZE_LIMIT_EXCEEDED",
      "290 LIMIT_EXCEEDED",
      "307 TOO_MANY_BYTES",
      "396 TOO_MANY_ROWS_OR_BYTES",
    ],
  },
  {
    is: giveUp("source.auth", "Check source.clickhouse.username and password."),
    codes: [
      "192 UNKNOWN_USER",
      "193 WRONG_PASSWORD",
      "194 REQUIRED_PASSWORD",
      "195 IP_ADDRESS_NOT_ALLOWED",
      "516 AUTHENTICATION_FAILED",
      "720 USER_EXPIRED",
      "767 REQUIRED_SECOND_FACTOR",
    ],
  },
  {
    is: giveUp("source.denied", GRANT),
    codes: [
      "291 DATABASE_ACCESS_DENIED",
      "392 QUERY_IS_PROHIBITED",
      "446 FUNCTION_NOT_ALLOWED",
      "497 ACCESS_DENIED",
      "620 QUERY_NOT_ALLOWED",
    ],
  },
];

export const KINDS: readonly Kind[] = [...PASSING, ...LASTING];

const BY_CODE = new Map(KINDS.flatMap(({ is, codes }) => codes.map((one) => [Number.parseInt(one, 10), is])));

const REFUSED = giveUp(
  "source.query",
  "ClickHouse refused the query; its message says why. If your config isn't the cause, please report it.",
);

export function classifyCode(code: number): Classification {
  return BY_CODE.get(code) ?? REFUSED;
}
