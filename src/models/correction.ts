/**
 * A correction: the source is right about the sessions of some days, even where it shows less of them than it did before.
 * docs/adr/0018-a-correction-raises-the-version.md says how it reaches `_version`.
 */
export interface Correction {
  /** Midnight UTC: the first of the days on which a partial row's events began. */
  readonly from: Date;
  /** Midnight UTC after the last of them. */
  readonly until: Date;
}

/** `_version` has two hexadecimal digits for the corrections of a session. */
export const MOST_CORRECTIONS = 255;
