/** What the destination says about an export's past. */
import type { Destination } from "../../destinations/destination.ts";
import { readAudit } from "../audit/receipt.ts";
import { lastAuditOf } from "../audit/summary.ts";
import type { Interval } from "../intervals/interval.ts";
import type { ExportHistory } from "./fleet.ts";

export async function readHistory(
  destination: Destination,
  range: Interval,
  signal: AbortSignal,
): Promise<ExportHistory> {
  const [receipts, audit] = await Promise.all([
    Array.fromAsync(destination.receipts(range, signal)),
    readAudit(destination, signal),
  ]);
  if (!audit) return { receipts, audit: undefined };
  const [first] = audit.days.map(({ day }) => day).sort();
  return {
    receipts,
    audit: {
      ...lastAuditOf(audit),
      from: first === undefined ? undefined : new Date(`${first}T00:00:00Z`),
      lackingIn: audit.lacking.map(({ interval }) => interval),
    },
  };
}
