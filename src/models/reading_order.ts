/**
 * Which of two reads of one row is current: the only definition. The MERGEs of the warehouses, the SQL that reads a lake
 * and the order within a batch are rendered from it (destinations/sql), and a differential test holds them to it.
 *
 * 1. The higher `_version` wins. That of session_replays is text that puts a deleted session first, then the fuller read,
 *    then the one with more changes (session_replays_reads.ts); a user's own SELECT may bring a number, a time or a text.
 *    A row without one (NULL, or a table from before the column) loses against any row that has one, and a number loses
 *    against a text: 0.1.0 wrote numbers.
 * 2. On a tie the later read wins, by `_exported_at`: it was made under the newer column rules. A row without one loses
 *    against any row that has one.
 * 3. On a tie of both, the row that comes later wins.
 *
 * So a deletion that was seen once sticks, whatever the source shows later: it may forget the deletion, by PostHog's purge.
 * `on_delete` doesn't change the order.
 */
export const VERSION_COLUMN = "_version";
export const EXPORTED_AT_COLUMN = "_exported_at";

/**
 * The columns to compare, most significant first, each "NULL is lowest, higher wins". A model may lack the first. No rule may
 * exclude one that it has: the order would depend on which columns are exported.
 */
export const READING_ORDER = [VERSION_COLUMN, EXPORTED_AT_COLUMN] as const;

/** What the order compares of one row; null if missing. */
export interface Reading {
  readonly version: bigint | string | null;
  /** Microseconds since 1970. */
  readonly exportedAt: bigint | null;
}

/** Positive where `a` wins, negative where `b` does, 0 where the one that comes later does. */
export function compareReadings(a: Reading, b: Reading): number {
  return compareNullable(a.version, b.version) || compareNullable(a.exportedAt, b.exportedAt);
}

function compareNullable(a: bigint | string | null, b: bigint | string | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (typeof a !== typeof b) return typeof a === "string" ? 1 : -1;
  return a < b ? -1 : Number(a > b);
}
