/** What an audit found, in numbers. */
import { giveUp, ReplayportError } from "../errors.ts";
import type { Audit } from "./receipt.ts";

export interface AuditSummary {
  /** Sessions that the destination lacks or has in an older version. */
  readonly lacking: number;
  /** Of these, sessions that were read again without success. */
  readonly unrepaired: number;
  readonly onlyDestination: number;
  readonly unexamined: number;
}

export function summaryOf({ days, lacking, unexamined }: Audit): AuditSummary {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
  return {
    lacking: sum(lacking.map(({ sessions }) => sessions)),
    unrepaired: sum(lacking.map(({ sessions, unrepaired }) => (unrepaired ? sessions : 0))),
    onlyDestination: sum(days.map(({ onlyDestination }) => onlyDestination)),
    unexamined,
  };
}

/** What is shown of the last audit wherever exports are listed. */
export function lastAuditOf(audit: Audit): Omit<AuditSummary, "unexamined"> & Pick<Audit, "readAt"> {
  const { lacking, unrepaired, onlyDestination } = summaryOf(audit);
  return { readAt: audit.readAt, lacking, unrepaired, onlyDestination };
}

/** All of it for programs: the numbers have the names and meaning of `lastAuditOf`. */
export function auditDetails(audit: Audit) {
  const { export: name, readAt, days, lacking: hours } = audit;
  return {
    export: name,
    readAt,
    ...summaryOf(audit),
    days,
    hours: hours.map(({ interval, sessions, unrepaired }) => ({ interval, sessions, unrepaired })),
  };
}

/** If the destination lacks rows that were read again without success. */
export function unrepairedError(audit: Audit): ReplayportError | undefined {
  const { unrepaired } = summaryOf(audit);
  if (unrepaired === 0) return undefined;
  return new ReplayportError(
    `export ${audit.export}: the destination lacks ${unrepaired} sessions of the source although they were loaded again`,
    giveUp(
      "audit.unrepaired",
      "Look for something that removes rows there, or a row access policy that hides them. Then: " +
        `replayport backfill ${audit.export} --force. \`replayport status ${audit.export} --json\` has the hours.`,
    ),
  );
}
