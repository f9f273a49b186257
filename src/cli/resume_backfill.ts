/**
 * Lets a forced backfill that was cut off continue. Its intervals have receipts from before, so only the time of the new reads
 * tells what is done. When the backfill began is kept in the stage folder until it ends.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Coverage } from "../../destinations/destination.ts";
import { newAttempt } from "../export/attempt.ts";
import { contains, type Interval, sameInterval } from "../intervals/interval.ts";
import { readTime } from "../intervals/watermark.ts";
import { openStage } from "../stage/stage.ts";
import { usageError } from "./arguments.ts";
import { second } from "./times.ts";

const fileOf = (stageRoot: string, exportName: string): string => join(stageRoot, `backfill-${exportName}.json`);

/** Remembers the backfill. Dispose of it once all intervals are loaded. */
export async function rememberBackfill(
  stageRoot: string,
  exportName: string,
  range: Interval,
  now: Date,
): Promise<AsyncDisposable> {
  // Makes the folder, and refuses that of somebody else.
  await (await openStage(stageRoot, newAttempt()))[Symbol.asyncDispose]();
  const file = fileOf(stageRoot, exportName);
  await writeFile(file, JSON.stringify({ range, began: now }), { mode: 0o600 });
  return { [Symbol.asyncDispose]: async () => await rm(file, { force: true }) };
}

/** When the backfill of this range began. @throws ReplayportError `cli.options` if none was cut off */
export async function interruptedBackfill(stageRoot: string, exportName: string, range: Interval): Promise<Date> {
  const text = await readFile(fileOf(stageRoot, exportName), "utf8").catch(() => undefined);
  if (text === undefined) {
    throw usageError(
      `no forced backfill of ${exportName} was cut off here`,
      `Leave --resume out. It needs the stage folder of the first try: ${stageRoot}.`,
    );
  }
  const { range: given, began } = JSON.parse(text) as { range: { start: string; end: string }; began: string };
  const known = { start: new Date(given.start), end: new Date(given.end) };
  if (sameInterval(known, range)) return new Date(began);
  throw usageError(
    `the backfill of ${exportName} that was cut off had another range`,
    `Write --from ${second(known.start)} --to ${second(known.end)}, or leave --resume out.`,
  );
}

/** The intervals that weren't read again since the backfill began. */
export function notLoadedSince(began: Date, intervals: readonly Interval[], covered: readonly Coverage[]): Interval[] {
  const done = covered.filter((one) => readTime(one) >= began.getTime());
  return intervals.filter((one) => !done.some((receipt) => contains(receipt.interval, one)));
}
