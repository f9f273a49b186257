/**
 * Compares an export's destination with its source, and keeps the result in the destination.
 * docs/adr/0015-the-audit-has-the-last-word.md says why and what is compared.
 *
 * 1. The source counts and sums its sessions by group, then the destination does. In this order, since a load in between only
 *    brings the destination forward.
 * 2. The source lists the sessions of the groups that differ, and the destination says which version it has of each.
 * 3. What the destination lacks goes into the result, by hour of ingestion. `due` reads those hours again.
 */
import { agreedNow, askClock } from "../export/clock.ts";
import { readCorrections } from "../export/corrections.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { readCoverage } from "../export/ledger.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import { valid } from "../intervals/watermark.ts";
import { type AuditRange, parseAudited, SECONDS_OF_DAY, type SourceGroup } from "../models/audit.ts";
import { daysOf, differing, judge, lackingHours } from "./compare.ts";
import { type Audit, encodeAudit, readAudit } from "./receipt.ts";

/** Sessions that one audit lists. Each is a few hundred bytes of memory. */
const MOST_LISTED = 100_000;

export type AuditDependencies = Pick<LoadDependencies, "source" | "destination" | "now">;

/** Whether the audit's schedule has ticked since the last one, or since the export's start. */
export function auditIsDue(
  { audit, start }: Pick<ExportDefinition, "audit" | "start">,
  last: Pick<Audit, "readAt"> | undefined,
  now: Date,
): boolean {
  const tick = audit?.schedule.next(last?.readAt ?? start);
  return tick !== undefined && tick <= now;
}

/**
 * @param days how far back, by the sessions' start
 * @returns undefined if there is nothing to compare: nothing is loaded yet, or the export can't be audited
 */
export async function auditExport(
  definition: ExportDefinition,
  days: number,
  { source, destination, now }: AuditDependencies,
  signal: AbortSignal,
): Promise<Audit | undefined> {
  const readAt = agreedNow(await askClock(source, now, signal), definition.settleMs, now());
  const { audit } = await source.model(definition, signal);
  const covered = valid(await readCoverage(destination, signal), readAt);
  if (!audit || covered.length === 0) return undefined;
  const before = await readAudit(destination, signal);
  const range: AuditRange = {
    from: new Date((Math.floor(readAt.getTime() / 1000 / SECONDS_OF_DAY) - days) * SECONDS_OF_DAY * 1000),
    since: definition.start,
    before: new Date(Math.max(...covered.map(({ interval }) => interval.end.getTime()))),
    dropsDeleted: destination.audit.dropsDeleted,
    corrections: await readCorrections(destination, signal),
  };

  // 1.
  const purpose = { export: definition.name, interval: undefined, limits: definition.limits };
  const theirs = (await source.numbers(audit.groups(range), purpose, signal)).map(sourceGroup);
  const scope = { from: range.from, teams: definition.selection.teams };
  const ours = await destination.audit.groups(scope, signal);

  // 2.
  const { buckets, unexamined } = differing(theirs, ours, MOST_LISTED);
  const listed =
    buckets.size === 0 ? [] : (await source.texts(audit.sessions(range, buckets), purpose, signal)).map(parseAudited);
  const versions = listed.length === 0 ? new Map() : await destination.audit.versions(scope, listed, signal);

  // 3.
  const verdict = judge(listed, versions);
  const result: Audit = {
    layout: 1,
    export: definition.name,
    readAt,
    days: daysOf(theirs, ours, verdict),
    lacking: lackingHours(verdict.lacking, covered, before),
    unexamined,
  };
  await destination.records.add("audits", encodeAudit(result), readAt, signal);
  return result;
}

function sourceGroup(row: Record<string, number>): SourceGroup {
  const { day = 0, bucket = 0, sessions = 0, checksum = 0, listed = 0, all = 0 } = row;
  return { day, bucket, sessions, checksum, listed, all };
}
