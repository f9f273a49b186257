/** What `status` says about an export: the fields of the API's `Export`, and what only the ledger in the destination has. */
import type { Audit } from "../../audit/receipt.ts";
import { auditDetails } from "../../audit/summary.ts";
import { type Condition, CONDITIONS } from "../../fleet/condition.ts";
import type { ExportStatus, FleetError } from "../../fleet/fleet.ts";
import type { Outdated } from "../outdated.ts";

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
  readonly state: Condition;
  /** Where it goes, for people: the folder, bucket or table. */
  readonly location: string | undefined;
  /** The export's end. */
  readonly end: Date | undefined;
  /** Why nothing is loaded although something may be due: the clocks differ. */
  readonly clock: string | undefined;
  /** Why the fleet's part is missing, if the config has a fleet. */
  readonly fleetError: FleetError | undefined;
}

const CALM: ReadonlySet<Condition> = new Set(["ok", "loading", "paused"]);

export const needsAttention = ({ state }: Pick<StatusRow, "state">): boolean => !CALM.has(state);

/** For programs: every field is there, also of an export that can't be read. */
export function statusJson(row: StatusRow) {
  return { ...NO_FACTS, ...row, audit: row.audit && auditDetails(row.audit) };
}

const NO_FACTS: Readonly<Record<keyof LedgerFacts, undefined>> = {
  intervals: undefined,
  rows: undefined,
  lost: undefined,
  bytes: undefined,
  files: undefined,
  silentSince: undefined,
  audit: undefined,
  outdated: undefined,
  otherSelection: undefined,
  otherFolders: undefined,
  olderFiles: undefined,
  unreadable: undefined,
};

/** Worst first, then the one that is furthest behind, then by name. */
export function worstFirst(rows: readonly StatusRow[]): StatusRow[] {
  const rank = ({ state }: StatusRow): number => CONDITIONS.indexOf(state);
  return rows.toSorted(
    (a, b) => rank(a) - rank(b) || (b.lagSeconds ?? 0) - (a.lagSeconds ?? 0) || a.export.localeCompare(b.export, "en"),
  );
}
