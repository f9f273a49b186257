/**
 * A user's own SELECT as a model. `{interval_start}`, `{interval_end}` and `{team_id}` in it are bound parameters: they get
 * their types here, and ClickHouse gets the values separately from the SQL.
 */
import { ReplayportError, giveUp } from "../errors.ts";
import type { Column, ColumnType } from "./column.ts";
import { DELETED_COLUMN, emptiedColumns, MATCHES } from "./deletion.ts";
import type { Condition, Model, Parameter, Query, Read, Selection, TextShape } from "./model.ts";
import { VERSION_COLUMN } from "./reading_order.ts";
import {
  CLICKHOUSE_TYPES,
  conditions,
  emptiedUnless,
  identifier,
  ruled,
  secondParameter,
  shaped,
  timeParameter,
  typed,
} from "./sql.ts";

export interface SqlChoice {
  readonly file: string;
  readonly sql: string;
  readonly key: readonly string[];
}

/** A column of `DESCRIBE (SELECT …)`. */
export interface DescribedColumn {
  readonly name: string;
  readonly type: string;
}

/** Columns that every row gets, whatever the SELECT returns. `_version` is added only if the SELECT has none. */
const OWN: ReadonlySet<string> = new Set(["_exported_at", "_interval_start", MATCHES.name]);

function wrongSelect(message: string, hint: string): ReplayportError {
  return new ReplayportError(message, giveUp("model.sql", hint));
}

/** The SELECT with typed parameters, and all their values except the interval. */
function bound(model: SqlChoice, selection: Selection): { sql: string; parameters: Record<string, Parameter> } {
  const { teams } = selection;
  const teamType = typeof teams === "number" ? "Int64" : "Array(Int64)";
  const sql = model.sql
    .trim()
    .replace(/;\s*$/, "")
    .replaceAll("{interval_start}", "{interval_start:DateTime('UTC')}")
    .replaceAll("{interval_end}", "{interval_end:DateTime('UTC')}")
    .replaceAll("{team_id}", `{team_id:${teamType}}`);
  const usesTeam = sql.includes(`{team_id:${teamType}}`);
  if (usesTeam && teams === "all") {
    throw wrongSelect(
      `${model.file} uses {team_id}, but the export has team_id: all`,
      "Name the teams in team_id, or remove {team_id} from the SELECT.",
    );
  }
  return { sql, parameters: usesTeam && teams !== "all" ? { team_id: teams } : {} };
}

export function describeQuery(model: SqlChoice, selection: Selection): Query {
  const { sql, parameters } = bound(model, selection);
  // Any time will do: a column's type doesn't depend on it.
  const times = { interval_start: "2000-01-01 00:00:00", interval_end: "2000-01-02 00:00:00" };
  return { sql: `DESCRIBE TABLE (\n${sql}\n)`, parameters: { ...times, ...parameters } };
}

/** Types of `_version` that every engine compares in the same way. */
const SORTABLE: ReadonlySet<ColumnType> = new Set(["int64", "timestamp", "string"]);

const INTEGER = /^U?Int(8|16|32|64)$/;

/** Our type for one of ClickHouse's. Types without a counterpart are exported as text, which every warehouse reads. */
function columnType(type: string): { type: ColumnType; nullable: boolean } {
  const plain = type.replaceAll(/LowCardinality\((.*)\)/g, "$1");
  const inner = /^Nullable\((.*)\)$/.exec(plain)?.[1];
  const base = inner ?? plain;
  const nullable = inner !== undefined;
  if (base === "Bool") return { type: "bool", nullable };
  if (INTEGER.test(base)) return { type: "int64", nullable };
  if (/^(Float|Decimal)/.test(base)) return { type: "float64", nullable };
  if (/^Date(Time)?(32|64)?(\(|$)/.test(base)) return { type: "timestamp", nullable };
  const element = /^Array\((.*)\)$/.exec(base)?.[1];
  if (element !== undefined)
    return { type: element.startsWith("DateTime") ? "timestamp[]" : "string[]", nullable: false };
  return { type: "string", nullable };
}

/** How a value of the SELECT becomes one of our types. */
function converted(name: string, stored: string, type: ColumnType): string {
  const value = identifier(name);
  if (type === "string" && !/String/.test(stored)) return `toString(${value})`;
  // Lists in files have no NULLs, and dropping one would move the values after it.
  if (type === "string[]") return `arrayMap(x -> ifNull(toString(x), ''), ${value})`;
  if (type === "timestamp" && /Date(32)?\b/.test(stored)) return `toDateTime64(${value}, 6)`;
  return value;
}

export function sqlModel(model: SqlChoice, selection: Selection, described: readonly DescribedColumn[]): Model {
  const names = described.map(({ name }) => name);
  for (const key of model.key) {
    if (!names.includes(key)) {
      throw wrongSelect(`${model.file} has no column ${key}, which is part of its key`, `It has: ${names.join(", ")}.`);
    }
  }
  const all = described
    .filter(({ name }) => !OWN.has(name))
    .map(({ name, type }) => Object.assign({ name, stored: type }, columnType(type)));
  const version = all.find(({ name }) => name === VERSION_COLUMN);
  if (version && !SORTABLE.has(version.type)) {
    throw wrongSelect(
      `${model.file}: ${VERSION_COLUMN} is ${version.stored}`,
      "Give an integer, a time or a text: of two rows of one key, the one with the higher value is current.",
    );
  }
  const known = new Set(all.map(({ name }) => name));
  for (const name of mentioned(selection)) {
    if (!known.has(name)) throw wrongSelect(`${model.file} has no column ${name}`, `It has: ${names.join(", ")}.`);
  }
  const { sql, parameters } = bound(model, selection);
  const where = conditions(selection.where, new Map(all.map(({ name, type }) => [name, type])), "replay");
  const conditional = selection.where.length > 0;
  // Of a SELECT of users' own nothing is known, so all is personal, except for what decides which row is current.
  const named = all.filter(({ name }) => !selection.rules.exclude.includes(name));
  const personal = named.map(({ name, type }) => ({ name, type, privacy: "content" as const }));
  const emptied =
    selection.emptyDeleted === true ? emptiedColumns({ columns: personal, key: model.key }, "tombstone") : new Set();
  const kept = named.map((column) => ({
    ...column,
    nullable: column.nullable || (emptied.has(column.name) && !column.type.endsWith("[]")),
  }));
  const own = [
    // If the SELECT has no version, the row that was read later is the current one.
    ...(version
      ? []
      : [{ name: "_version", type: "int64" as const, value: "toUnixTimestamp64Micro({exported_at:DateTime64(6)})" }]),
    { name: "_exported_at", type: "timestamp" as const, value: "{exported_at:DateTime64(6)}" },
    { name: "_interval_start", type: "timestamp" as const, value: "{interval_start:DateTime64(6)}" },
  ];
  const columns: Column[] = [
    ...kept.map(({ name, type, nullable }) => ({ name, type, nullable, privacy: "content" as const, description: "" })),
    ...own.map(({ name, type }) => ({ name, type, nullable: false, privacy: "none" as const, description: "" })),
    ...(conditional ? [MATCHES] : []),
  ];
  const key = `(${model.key.map(identifier).join(", ")})`;
  const bounds = (read: Pick<Read, "interval">): Record<string, Parameter> => ({
    ...parameters,
    interval_start: secondParameter(read.interval.start),
    interval_end: secondParameter(read.interval.end),
  });
  const rows = (read: Read, shape: TextShape): Query => {
    const casts = all.map(
      ({ name, stored, type, nullable }) =>
        `${typed(converted(name, stored, type), type, nullable)} AS ${identifier(name)}`,
    );
    const items = kept.map(({ name, type, nullable }) => {
      const value = typed(ruled(`replay.${identifier(name)}`, type, name, selection.rules), type, nullable);
      const whole = [
        ...(conditional && name !== VERSION_COLUMN ? ["_matches"] : []),
        ...(emptied.has(name) ? [`NOT ifNull(replay.${identifier(DELETED_COLUMN)}, false)`] : []),
      ].join(" AND ");
      const shown = emptiedUnless(whole, value, { name, privacy: "content" }, model.key);
      return `${shaped(shown, type, shape)} AS ${identifier(name)}`;
    });
    const added = own.map(
      ({ name, type, value }) => `CAST(${value}, '${CLICKHOUSE_TYPES[type]}') AS ${identifier(name)}`,
    );
    const matches = conditional ? ["_matches"] : [];
    const part = read.part.of > 1 ? `WHERE cityHash64(${key}) % {parts:UInt32} = {part:UInt32}` : "";
    const rowsOfSelect = `(SELECT ${casts.join(", ")} FROM (\n${sql}\n) ${part}) AS replay`;
    // Nothing says whether the row was in an earlier interval.
    const left = conditional && !read.reread ? " WHERE _matches" : "";
    return {
      sql: `SELECT ${[...items, ...added, ...matches].join(",\n  ")}
FROM ${conditional ? `(SELECT *, ${typed(where.sql, "bool", false)} AS _matches FROM ${rowsOfSelect}) AS replay` : rowsOfSelect}${left}`,
      parameters: {
        ...bounds(read),
        ...where.parameters,
        exported_at: timeParameter(read.exportedAt),
        ...(selection.rules.hash.length > 0 ? { hash_salt: selection.salt } : {}),
        ...(read.part.of > 1 ? { parts: read.part.of, part: read.part.index } : {}),
      },
    };
  };
  return {
    name: model.file,
    key: model.key,
    columns,
    rows,
    // Only the SELECT's author knows what keys look like, and whether reading them by ranges is any cheaper.
    splitPoints: () => undefined,
    sourceColumns: names,
    // What the SELECT had before, only a receipt knows.
    complete: false,
    count: (read) => ({ sql: `SELECT count() AS sessions FROM (\n${sql}\n)`, parameters: bounds(read) }),
    countPerHour: () => undefined,
    // Only the author knows which rows belong to a time.
    audit: undefined,
  };
}

function mentioned(selection: Selection): string[] {
  const { rules, where } = selection;
  const conditioned = where.map((one: Condition) => one.column);
  return [...rules.include, ...rules.exclude, ...rules.hash, ...rules.stripQuery, ...conditioned];
}
