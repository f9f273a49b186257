/**
 * The interface of a model: an export's choices in, SQL with bound parameters out. Values are never pasted into the SQL.
 *
 * Terminology
 * - model: what is exported: a named set of columns and the query behind them. `session_replays` is built in; a user's own
 *   SELECT is one too.
 */
import type { Interval } from "../intervals/interval.ts";
import type { AuditRange } from "./audit.ts";
import type { Column } from "./column.ts";
import type { Correction } from "./correction.ts";

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
  /** Opt-in columns to add. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Columns exported as the SHA-256 of salt and value, in hexadecimal. */
  readonly hash: readonly string[];
  /** URL columns exported without query and fragment. */
  readonly stripQuery: readonly string[];
}

/** The part of a definition that decides which rows there are and what is in them. */
export interface Selection {
  readonly teams: Teams;
  readonly rules: ColumnRules;
  /** Conditions on the current row. If there are any, the model has the column `_matches` (deletion.ts). */
  readonly where: readonly Condition[];
  /** Salt for `rules.hash`, from the environment. Empty if nothing is hashed. */
  readonly salt: string;
  /** Base of replay_url, without a slash at the end. Empty for no replay_url. */
  readonly posthogUrl: string;
  /**
   * The read empties the personal columns of deleted sessions, for destinations that show its files as they are. Default: the
   * destination does.
   */
  readonly emptyDeleted?: boolean;
}

/** What one read covers. */
export interface Read {
  readonly interval: Interval;
  readonly exportedAt: Date;
  /** Sessions whose rows all began before this are skipped, which keeps the scan small. Undefined: no bound. */
  readonly pruneBefore: Date | undefined;
  /**
   * On a reload, sessions that began before the interval's end and changed at or after this time belong to the batch too.
   * They may have been in it before, and no later batch is sure to have them.
   */
  readonly alsoChangedSince: Date | undefined;
  /**
   * Whether a batch that has been loaded may hold sessions of the interval. Those that don't match `where` are then exported
   * with `_matches` false, and else only those that may have been exported before the interval.
   */
  readonly reread: boolean;
  /** All of the export. A row of a session that they concern wins against one that was read before them. */
  readonly corrections: readonly Correction[];
  /** The row of `count`. It may decide how rows are looked for, never which ones are found. */
  readonly counted?: Readonly<Record<string, number>> | undefined;
  readonly part: Part;
}

/** The rows of one file of a batch. Each row is in exactly one part, even if the source has gained rows since the cut. */
export interface Part {
  readonly index: number;
  readonly of: number;
  /** First key of the part, and first key after it, compared by bytes. Undefined: no bound on that side. */
  readonly from?: string | undefined;
  readonly until?: string | undefined;
}

export type TextShape = "parquet" | "jsonl" | "csv";

/** What an audit asks the source. */
export interface ModelAudit {
  /** Rows of SourceGroup. */
  groups(range: AuditRange): Query;
  /** Texts for `parseAudited`: the sessions of these groups, those that are gone too. @param buckets by day */
  sessions(range: AuditRange, buckets: ReadonlyMap<number, ReadonlySet<number>>): Query;
}

/** A model as one source offers it. Made for each run, since clusters differ in their columns. */
export interface Model {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly Column[];
  /** The columns of the source that the model knows and the source has. */
  readonly sourceColumns: readonly string[];
  /** Whether the source has every column that the model knows. */
  readonly complete: boolean;
  /** The rows of a part; the SELECT without FORMAT. */
  rows(read: Read, shape: TextShape): Query;
  /**
   * One row. `sessions`: an estimate of the interval's rows before conditions on columns; 0 means none. `watermark`: the newest
   * ingestion time of any team in seconds since the epoch, 0 for none; left out by a model that can't tell. Others are the model's
   * own, for `Read.counted`.
   */
  count(read: Omit<Read, "part">): Query;
  /**
   * Rows of `cut`, sorted by bytes: keys that split about `sessions` sessions into `files` parts of similar size. Undefined
   * for a model that splits by `index` and `of` alone.
   */
  splitPoints(read: Omit<Read, "part">, sessions: number, files: number): Query | undefined;
  /** Rows of `hour` and `sessions`: the sessions that changed in each hour of a range. Undefined if the model can't say. */
  countPerHour(range: Interval): Query | undefined;
  /** Undefined if the export's rows can't be audited. */
  readonly audit: ModelAudit | undefined;
}
