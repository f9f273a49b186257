/**
 * What an export asks of a model, and what a model answers: SQL with bound parameters, never pasted values.
 *
 * Terminology
 * - model: what is exported: a named set of columns and the query behind them. `session_replays` is built in; a SELECT of
 *   the user's is one too.
 */
import type { Interval } from "../intervals/interval.ts";
import type { Column } from "./column.ts";

/** A value bound to `{name:Type}` in the SQL. */
export type Parameter = string | number | boolean | readonly string[] | readonly number[];

export interface Query {
  readonly sql: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
}

/** One PostHog project, several, or all of the cluster. */
export type Teams = number | readonly number[] | "all";

/** A condition on a column of the model, before any rule hides its value. Ranges include both ends. */
export type Condition =
  | { readonly column: string; readonly op: "equal"; readonly value: string | number | boolean }
  | { readonly column: string; readonly op: "in"; readonly values: readonly (string | number)[] }
  | { readonly column: string; readonly op: "range"; readonly min?: string | number; readonly max?: string | number };

export interface ColumnRules {
  /** Columns that are left out otherwise. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Columns given as SHA-256 of salt and value, in hexadecimal. */
  readonly hash: readonly string[];
  /** URL columns given without query and fragment. */
  readonly stripQuery: readonly string[];
}

/** The part of a definition that decides which rows there are and what stands in them. */
export interface Selection {
  readonly teams: Teams;
  readonly rules: ColumnRules;
  readonly where: readonly Condition[];
  /** Salt for `rules.hash`; comes from the environment. Empty where nothing is hashed. */
  readonly salt: string;
  /** Base of replay_url, without a slash at its end; empty for none. */
  readonly posthogUrl: string;
}

/** What one reading asks for. */
export interface Read {
  readonly interval: Interval;
  readonly exportedAt: Date;
  /** Sessions whose rows all began before this are passed over: keeps the scan small. Undefined: no such bound. */
  readonly pruneBefore: Date | undefined;
  /**
   * For a repeated reading: sessions that began before the interval's end and changed at or after this moment belong to
   * it too. They may have been in it before, and no later batch is sure to hold them.
   */
  readonly alsoChangedSince: Date | undefined;
  readonly part: Part;
}

/** What one file of a batch holds. A row is in one part, whatever the source gained since the parts were made. */
export interface Part {
  readonly index: number;
  readonly of: number;
  /** The first key that is in it, and the first that no longer is, by their bytes. Undefined: no bound at that side. */
  readonly from?: string | undefined;
  readonly until?: string | undefined;
}

export type TextShape = "parquet" | "jsonl" | "csv";

/** A model as one source offers it: made once a run, since clusters differ in their columns. */
export interface Model {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly Column[];
  /** The rows of a part; the SELECT without FORMAT. */
  rows(read: Read, shape: TextShape): Query;
  /** One row: `sessions`, about the rows that the interval has in all parts, before conditions on columns; 0 means none. */
  count(read: Omit<Read, "part">): Query;
  /**
   * Rows of `cut`, by their bytes: keys that cut about so many sessions into so many parts of about one size. Undefined
   * for a model that cuts by `index` and `of` alone.
   */
  splitPoints(read: Omit<Read, "part">, sessions: number, files: number): Query | undefined;
  /** Rows of `hour` and `sessions`: what changed in each hour of a range. Undefined where the model cannot tell. */
  countPerHour(range: Interval): Query | undefined;
  /** One row, `sessions`: sessions that began before the interval's end and changed after it: they moved on. */
  countMovedSince(read: Omit<Read, "part">): Query | undefined;
}
