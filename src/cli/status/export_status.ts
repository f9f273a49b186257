/** What `status` says about an export: the fields of the API's `Export`, and what only the ledger in the destination has. */
import type { Audit } from "../../audit/receipt.ts";
import type { ExportStatus, FleetError } from "../../fleet/fleet.ts";
import type { Outdated } from "../outdated.ts";

/** Worst first: the order of the list. */
export const EXPORT_STATES = ["unreadable", "failing", "late", "silent", "paused", "ok"] as const;

/**
 * - `unreadable`: the destination didn't show its receipts
 * - `failing`: intervals failed, the fleet paused it, the clocks differ, or rows are lacking that no read brings
 * - `late`: an interval has been due for longer than it may take to load
 * - `silent`: a busy export reads no rows
 * - `paused`: by a person
 */
export type ExportState = (typeof EXPORT_STATES)[number];

/** What the receipts say. */
export interface LedgerFacts extends Outdated {
  readonly intervals: number;
  readonly rows: number;
  /** Of these, sessions that the destination keeps although the latest reads of their intervals didn't find them. */
  readonly lost: number;
  readonly bytes: number;
  readonly files: number;
  /** Since when an export that is usually busy has read no rows. */
  readonly silentSince: Date | undefined;
  /** The last audit; undefined before the first. */
  readonly audit: Audit | undefined;
}

export interface StatusRow extends ExportStatus, Partial<LedgerFacts> {
  readonly state: ExportState;
  /** Where it goes, for people: the folder, bucket or table. */
  readonly location: string | undefined;
  /** The export's end. */
  readonly end: Date | undefined;
  /** Why nothing is loaded although something may be due: the clocks differ. */
  readonly clock: string | undefined;
  /** Why the fleet's part is missing, if the config has a fleet. */
  readonly fleetError: FleetError | undefined;
}

export type Unjudged = Omit<StatusRow, "state">;

/** By whom a pause is that the fleet made itself. */
const FLEET = "replayport";

export function stateOf(row: Unjudged, late: boolean): ExportState {
  if (row.ledgerError !== undefined) return "unreadable";
  const isFailing =
    row.failuresInRow > 0 ||
    row.failedIntervals.length > 0 ||
    row.paused?.by === FLEET ||
    row.clock !== undefined ||
    (row.lastAudit?.unrepaired ?? 0) > 0;
  if (isFailing) return "failing";
  if (row.paused) return "paused";
  if (late) return "late";
  return row.silentSince === undefined ? "ok" : "silent";
}

export const needsAttention = ({ state }: Pick<StatusRow, "state">): boolean => state !== "ok" && state !== "paused";

/** Worst first, then the one that is furthest behind, then by name. */
export function worstFirst(rows: readonly StatusRow[]): StatusRow[] {
  const rank = ({ state }: StatusRow): number => EXPORT_STATES.indexOf(state);
  return rows.toSorted(
    (a, b) => rank(a) - rank(b) || (b.lagSeconds ?? 0) - (a.lagSeconds ?? 0) || a.export.localeCompare(b.export, "en"),
  );
}
