/**
 * The queries of `session_replays`. One query finds the sessions that changed in the interval and assembles each from all of
 * its partial rows. It has to read the rows of other days too, because rows of different days never merge.
 */
import { AUDIT_COLUMNS } from "./audit.ts";
import type { Column } from "./column.ts";
import { DELETED_COLUMN, MATCHES } from "./deletion.ts";
import type { Model, Parameter, Query, Read, Selection, TextShape } from "./model.ts";
import { SESSION_REPLAYS, SESSION_REPLAYS_KEY } from "./session_replays.ts";
import { sessionReplaysAudit } from "./session_replays_audit.ts";
import {
  BEGAN,
  beganParameters,
  changed,
  changeParameters,
  inOnePass,
  NEAR,
  nearParameters,
  rowsOfChanged,
} from "./session_replays_changed.ts";
import {
  assembled,
  correctionParameters,
  READS,
  type ReadName,
  type ReplayTable,
  spanOf,
} from "./session_replays_reads.ts";
import {
  conditions,
  emptiedUnless,
  identifier,
  ruled,
  secondParameter,
  shaped,
  teamCondition,
  timeParameter,
  typed,
} from "./sql.ts";

/** Sessions to sample for each part. The sizes of the parts then differ by a few per cent. */
const SAMPLED_OF_A_PART = 2_000;

/** Every column that `_version` or an exported column may come from. */
const KNOWN_SOURCES: readonly string[] = Object.values(READS).map(({ source }) => source);

/** The watermark is looked for among sessions that began this long before the read: a scan of two days at most. */
const WATERMARK_MS = 2 * 86_400_000;

/** The columns that the rules keep, in the model's order. */
export function exportedColumns({ rules, where }: Pick<Selection, "rules" | "where">): Column[] {
  const { include, exclude } = rules;
  const kept = SESSION_REPLAYS.filter(
    ({ name, optIn }) => (optIn === undefined || include.includes(name)) && !exclude.includes(name),
  ).map(({ name, type, nullable, privacy, description }) => ({ name, type, nullable, privacy, description }));
  return where.length === 0 ? kept : [...kept, MATCHES];
}

export function sessionReplays(table: ReplayTable, selection: Selection): Model {
  const columns = exportedColumns(selection);
  const from = `${identifier(table.database)}.${identifier(table.table)}`;
  const team = teamCondition(selection.teams);
  const place = {
    from,
    team: team.sql,
    // With one team its condition is enough: a set of one column is faster to build and to probe.
    key: typeof selection.teams === "number" ? "session_id" : "team_id, session_id",
    distributed: table.distributed,
  };
  const types = new Map(SESSION_REPLAYS.map(({ name, type }) => [name, type]));
  const where = conditions(selection.where, types, "replay");
  const wanted = new Set([...columns.map(({ name }) => name), ...selection.where.map((one) => one.column)]);
  const conditional = selection.where.length > 0;
  const whole = [
    ...(conditional ? ["_matches"] : []),
    ...(selection.emptyDeleted === true ? [`NOT ifNull(replay.${identifier(DELETED_COLUMN)}, false)`] : []),
  ].join(" AND ");
  const used = SESSION_REPLAYS.filter(({ name }) => wanted.has(name));
  const reads = new Set<ReadName>(used.flatMap(({ uses }) => uses));

  const changedRows = (read: Pick<Read, "pruneBefore" | "alsoChangedSince">): string =>
    `${team.sql} AND (${changed(read)})`;
  const bounds = (read: Pick<Read, "interval" | "pruneBefore" | "alsoChangedSince">): Record<string, Parameter> => ({
    ...team.parameters,
    ...changeParameters(read),
  });

  const rows = (read: Read, shape: TextShape): Query => {
    const { from: partFrom, until: partUntil } = read.part;
    const part = [
      partFrom === undefined ? "" : " AND session_id >= {part_from:String}",
      partUntil === undefined ? "" : " AND session_id < {part_until:String}",
    ].join("");
    const ofChanged = rowsOfChanged(place, read, part);
    const span = spanOf((source) => table.columns.has(source), read.corrections);
    const values = [...reads].map((name) => `    ${assembled(name, table, span)} AS ${name}`);
    const named = used.map(
      ({ name, type, nullable, value }) => `  ${typed(value, type, nullable)} AS ${identifier(name)}`,
    );
    // Which sessions no batch before has had: those whose id begins in the interval, as PostHog's do with the session. That they
    // changed in it for the first time proves nothing: the source may have dropped their first rows.
    const firstChange = conditional && !read.reread ? ["    min(_timestamp) AS _first_change"] : [];
    const items = columns.map((column) => {
      const { name, type, nullable } = column;
      const value = ruled(`replay.${identifier(name)}`, type, name, selection.rules);
      const hidden = selection.rules.hash.includes(name) || selection.rules.stripQuery.includes(name);
      const shown = emptiedUnless(whole, hidden ? typed(value, type, nullable) : value, column, SESSION_REPLAYS_KEY);
      return `${shaped(shown, type, shape)} AS ${identifier(name)}`;
    });
    const sessions = `(SELECT
${[...named, ...firstChange.map(() => "  _first_change, ifNull(deleted, 0) > 0 AS _deleted")].join(",\n")}
  FROM (SELECT
    ${["team_id, session_id", ...values, ...firstChange].join(",\n")}
    FROM ${from}
    WHERE ${team.sql}${part}
      AND ${ofChanged.where}
    GROUP BY team_id, session_id${ofChanged.having})
) AS replay`;
    const left =
      firstChange.length > 0
        ? `\nWHERE _matches OR _deleted OR NOT ${BEGAN} OR _first_change < {interval_start:DateTime('UTC')}`
        : "";
    return {
      sql: `SELECT ${items.join(",\n  ")}
FROM ${conditional ? `(SELECT *, ${typed(where.sql, "bool", false)} AS _matches FROM ${sessions}) AS replay` : sessions}${left}`,
      parameters: {
        ...bounds(read),
        ...(inOnePass(read) ? nearParameters(read) : {}),
        ...correctionParameters(read.corrections),
        ...where.parameters,
        ...(left === "" ? {} : beganParameters(read)),
        exported_at: timeParameter(read.exportedAt),
        posthog_url: selection.posthogUrl,
        ...(selection.rules.hash.length > 0 ? { hash_salt: selection.salt } : {}),
        ...(partFrom === undefined ? {} : { part_from: partFrom }),
        ...(partUntil === undefined ? {} : { part_until: partUntil }),
      },
    };
  };

  return {
    name: "session_replays",
    key: SESSION_REPLAYS_KEY,
    columns,
    sourceColumns: KNOWN_SOURCES.filter((name) => table.columns.has(name)),
    complete: KNOWN_SOURCES.every((name) => table.columns.has(name)),
    rows,
    count: (read) => ({
      // Not uniqExact: its memory grows with the sessions, and the number only decides how files are cut.
      sql: `SELECT toUInt64(uniq(team_id, session_id)) AS sessions,
  toUInt64(intDiv(100 * countIf(${NEAR}), greatest(1, count()))) AS near,
  (SELECT toUInt64(toUnixTimestamp(maxIf(_timestamp, _timestamp <= {read_at:DateTime('UTC')}))) FROM ${from}
  WHERE min_first_timestamp >= {recent:DateTime('UTC')}) AS watermark
FROM ${from} WHERE ${changedRows(read)}`,
      parameters: {
        ...bounds(read),
        ...nearParameters(read),
        read_at: secondParameter(read.exportedAt),
        recent: secondParameter(new Date(read.exportedAt.getTime() - WATERMARK_MS)),
      },
    }),
    // By ranges, since PostHog's ids begin with their time and the table is sorted by day: ClickHouse then skips the rows of
    // other parts. With the remainder of a hash it would read all rows for each part.
    splitPoints: (read, sessions, files) => ({
      sql: `SELECT sample[intDiv(length(sample) * cut_number, {files:UInt32}) + 1] AS cut
FROM (SELECT arraySort(groupUniqArray(session_id)) AS sample FROM ${from}
  WHERE ${changedRows(read)} AND cityHash64(session_id) % {sample_of:UInt64} = 0)
ARRAY JOIN range(1, {files:UInt32}) AS cut_number ORDER BY cut_number`,
      parameters: {
        ...bounds(read),
        files,
        sample_of: Math.max(1, Math.floor(sessions / (files * SAMPLED_OF_A_PART))),
      },
    }),
    countPerHour: (range) => ({
      sql: `SELECT toUnixTimestamp(toStartOfHour(_timestamp, 'UTC')) AS hour, toUInt64(uniq(team_id, session_id)) AS sessions
FROM ${from} WHERE ${changedRows({ pruneBefore: undefined, alsoChangedSince: undefined })} GROUP BY hour ORDER BY hour`,
      parameters: bounds({ interval: range, pruneBefore: undefined, alsoChangedSince: undefined }),
    }),
    audit: columns.some(({ name }) => name === AUDIT_COLUMNS.start) ? sessionReplaysAudit(table, selection) : undefined,
  };
}
