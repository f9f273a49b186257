/** The queries of an audit of `session_replays`: audit.ts says what is compared. */
import { type AuditRange, BUCKET_SIZE, AUDIT_BUCKETS, SECONDS_OF_DAY } from "./audit.ts";
import type { ModelAudit, Parameter, Query, Selection } from "./model.ts";
import { SESSION_REPLAYS } from "./session_replays.ts";
import { assembled, correctionParameters, type ReadName, type ReplayTable, spanOf } from "./session_replays_reads.ts";
import { conditions, identifier, secondParameter, teamCondition, timeParameter, typed } from "./sql.ts";

const COMPARED = ["team_id", "session_id", "start_time", "is_deleted", "_ingested_at", "_version"];

/** Sessions near the range's start may have earlier rows. Twice what a session can last. */
const SLACK_MS = 2 * SECONDS_OF_DAY * 1000;

/** The first 32 bits of the MD5 of a text, as a number. */
const firstBits = (text: string): string => `reinterpretAsUInt32(reverse(substring(MD5(${text}), 1, 4)))`;

export function sessionReplaysAudit(table: ReplayTable, selection: Selection): ModelAudit {
  const team = teamCondition(selection.teams);
  const types = new Map(SESSION_REPLAYS.map(({ name, type }) => [name, type]));
  const where = conditions(selection.where, types, "replay");
  const wanted = new Set([...COMPARED, ...selection.where.map(({ column }) => column)]);
  const used = SESSION_REPLAYS.filter(({ name }) => wanted.has(name));
  const reads = new Set<ReadName>(used.flatMap(({ uses }) => uses));
  const named = used.map(
    ({ name, type, nullable, value }) => `  ${typed(value, type, nullable)} AS ${identifier(name)}`,
  );
  // Sessions that began before the range may have a marker in it: that alone says nothing of them.
  const sessionsOf = ({ corrections }: AuditRange): string => {
    const span = spanOf((source) => table.columns.has(source), corrections);
    const values = [...reads].map((name) => `    ${assembled(name, table, span)} AS ${name}`);
    return `SELECT toUInt32(intDiv(toUnixTimestamp64Micro(replay.start_time), ${SECONDS_OF_DAY}000000)) AS day,
  toUnixTimestamp(replay._ingested_at) AS ingested, toUInt8(NOT (${where.sql}) OR ({drops_deleted:Bool} AND ifNull(replay.is_deleted, 0))) AS gone,
  concat(toString(replay.team_id), '|', replay.session_id) AS row_key, replay._version AS row_version,
  ${firstBits("concat(row_key, '|', row_version)")} AS hash, intDiv(${firstBits("row_key")}, ${BUCKET_SIZE}) AS bucket,
  ingested >= {since:UInt32} AND ingested < {before:UInt32} AS settled
FROM (SELECT
${named.join(",\n")}
  FROM (SELECT
    team_id, session_id,
${values.join(",\n")}
    FROM ${identifier(table.database)}.${identifier(table.table)}
    WHERE ${team.sql} AND min_first_timestamp >= {scan_from:DateTime('UTC')}
    GROUP BY team_id, session_id
    HAVING countIf(${span.measured}) > 0)
) AS replay
WHERE replay.start_time >= {from:DateTime('UTC')}`;
  };

  const parameters = ({ from, since, before, dropsDeleted, corrections }: AuditRange): Record<string, Parameter> => ({
    ...team.parameters,
    ...correctionParameters(corrections),
    ...where.parameters,
    posthog_url: selection.posthogUrl,
    // For conditions on columns that say when a row was exported.
    exported_at: timeParameter(before),
    interval_start: timeParameter(before),
    from: secondParameter(from),
    scan_from: secondParameter(new Date(from.getTime() - SLACK_MS)),
    since: Math.floor(Math.max(since.getTime(), from.getTime()) / 1000),
    before: Math.floor(before.getTime() / 1000),
    drops_deleted: dropsDeleted,
  });

  return {
    groups: (range) => ({
      sql: `SELECT day, bucket, countIf(settled AND gone = 0) AS sessions, sumIf(hash, settled AND gone = 0) AS checksum,
  countIf(settled) AS listed, countIf(gone = 0) AS all
FROM (${sessionsOf(range)}) GROUP BY day, bucket`,
      parameters: parameters(range),
    }),
    sessions: (range, buckets): Query => {
      // In the text, since parameters are part of the URL, which proxies limit. Nothing but numbers and digits.
      const maps = [...buckets.values()].map((chosen) => {
        const digits = Array.from({ length: AUDIT_BUCKETS }, (_, bucket) => (chosen.has(bucket) ? "1" : "0"));
        return `'${digits.join("")}'`;
      });
      return {
        sql: `SELECT concat(toString(day), '|', toString(ingested), '|', toString(gone), '|', toString(hash), '|', row_version, '|', row_key) AS session
FROM (${sessionsOf(range)})
WHERE settled AND substring(transform(day, [${[...buckets.keys()].join(", ")}], [${maps.join(", ")}], ''), bucket + 1, 1) = '1'`,
        parameters: parameters(range),
      };
    },
  };
}
