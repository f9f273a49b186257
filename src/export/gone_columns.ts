/** Refuses to export NULLs for a column that the source had when an earlier batch was loaded. */
import type { Coverage, Destination } from "../../destinations/destination.ts";
import { ReplayportError, giveUp } from "../errors.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Model } from "../models/model.ts";
import type { ExportDefinition } from "./definition.ts";

/**
 * Compares with the receipts within the interval, whose rows the load would replace, and with the newest one. A receipt of
 * 0.1.0 doesn't say which columns there were.
 * @throws ReplayportError `source.columns_gone`
 */
export async function refuseGoneColumns(
  definition: Pick<ExportDefinition, "name" | "acceptMissingColumns">,
  model: Pick<Model, "sourceColumns" | "complete">,
  destination: Destination,
  interval: Interval,
  covered: readonly Coverage[],
  signal: AbortSignal,
): Promise<void> {
  const [first] = covered;
  if (model.complete || first === undefined) return;
  const there = new Set([...model.sourceColumns, ...definition.acceptMissingColumns]);
  const newest = covered.reduce((best, one) => (one.committedAt > best.committedAt ? one : best), first);
  const gone = new Set<string>();
  for (const range of [interval, newest.interval]) {
    for await (const { sourceColumns = [] } of destination.receipts(range, signal)) {
      for (const name of sourceColumns) if (!there.has(name)) gone.add(name);
    }
  }
  if (gone.size === 0) return;
  const names = [...gone].sort().join(", ");
  throw new ReplayportError(
    `export ${definition.name}: the source no longer has ${names}, which earlier batches were read with`,
    giveUp(
      "source.columns_gone",
      "If a view lost the columns or a grant was revoked, bring them back. If they are gone for good, add their names to " +
        "accept_missing_columns of the export.",
    ),
  );
}
