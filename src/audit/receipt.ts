/** The result of an audit. The destination keeps it as text. */
import * as z from "zod";
import type { Destination } from "../../destinations/destination.ts";
import type { Lacking } from "../intervals/due.ts";

const time = z.iso.datetime().transform((text) => new Date(text));
const count = z.int().nonnegative();

const daySchema = z.object({
  /** `2026-10-01`: UTC, of the sessions' start. */
  day: z.string(),
  source: count,
  destination: count,
  /** Sessions that the destination lacks, or has in a version that loses against the source's. */
  lacking: count,
  /** At least this many sessions are in the destination only. */
  onlyDestination: count,
});

const hourSchema = z.object({
  interval: z.object({ start: time, end: time }),
  /** Lacking ones whose newest row was ingested then. */
  sessions: count,
  /** Of those, to see whether a later audit lacks the same. */
  checksum: count,
  /** They were read again, and are still lacking. */
  unrepaired: z.boolean(),
});

const auditSchema = z.object({
  layout: z.literal(1),
  export: z.string(),
  readAt: time,
  days: z.array(daySchema),
  lacking: z.array(hourSchema),
  /** Sessions in groups that differ and were left to the next audit, because there were too many. */
  unexamined: count,
});

export type Audit = z.output<typeof auditSchema>;
export type AuditDay = z.output<typeof daySchema>;
export type LackingHour = z.output<typeof hourSchema>;

export function encodeAudit(audit: Audit): string {
  return `${JSON.stringify(audit)}\n`;
}

/** The last audit; undefined if there is none, or if another version wrote it. */
export async function readAudit(destination: Destination, signal: AbortSignal): Promise<Audit | undefined> {
  const text = await destination.records.last("audits", signal);
  if (text === undefined) return undefined;
  try {
    return auditSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** What of it is due again. */
export function lackingOf(audit: Audit | undefined): Lacking[] {
  const repairable = audit?.lacking.filter(({ unrepaired }) => !unrepaired) ?? [];
  return repairable.map(({ interval }) => ({ interval, foundAt: audit?.readAt ?? interval.end }));
}
