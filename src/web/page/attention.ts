/**
 * What needs attention, each cause once. A broken folder fails every export that writes to it, each with a message that names its own
 * file, so problems are grouped by where they come from and their code, not by their text.
 */
import type { ExportStatus, FleetError } from "../../fleet/fleet.ts";
import type { Interval } from "../../intervals/interval.ts";
import { minute } from "../../text.ts";
import { isFailing, isLate } from "./condition.ts";
import { count, plural } from "./format.ts";

interface Problem {
  /** Problems with the same one have the same cause. */
  readonly cause: string;
  readonly severity: "bad" | "warn";
  readonly export: string;
  /** A destination's name, or `the source`. */
  readonly where: string;
  readonly what: string;
  readonly hint: string | undefined;
  readonly code: string | undefined;
  readonly at: Date;
  readonly intervals: readonly Interval[];
  readonly retryAt: Date | undefined;
}

export interface Issue extends Omit<Problem, "cause" | "export" | "at"> {
  readonly exports: readonly string[];
  /** Other messages of the same cause. */
  readonly others: readonly string[];
}

/** Worst and widest first. */
export function issuesOf(exports: readonly ExportStatus[]): Issue[] {
  const groups = Map.groupBy(exports.flatMap(problemsOf), ({ cause }) => cause);
  const issues = [...groups.values()].flatMap((problems): Issue[] => {
    const newest = problems.reduce((last, one) => (one.at > last.at ? one : last));
    const { severity, where, what, hint, code } = newest;
    const texts = new Set(problems.map((one) => one.what));
    texts.delete(what);
    const retries = problems.flatMap(({ retryAt }) => retryAt?.getTime() ?? []);
    return [
      {
        severity,
        where,
        what,
        hint,
        code,
        exports: [...new Set(problems.map((one) => one.export))],
        others: [...texts],
        intervals: problems.flatMap((one) => one.intervals),
        retryAt: retries.length === 0 ? undefined : new Date(Math.min(...retries)),
      },
    ];
  });
  return issues.sort(
    (a, b) => Number(b.severity === "bad") - Number(a.severity === "bad") || b.exports.length - a.exports.length || 0,
  );
}

function problemsOf(one: ExportStatus): Problem[] {
  const problems: Problem[] = [];
  const { paused, ledgerError, lastReceipt, lastAudit } = one;
  const add = (problem: Pick<Problem, "cause" | "what" | "at"> & Partial<Problem>): void => {
    const rest = { severity: "warn", where: one.destination, hint: undefined, code: undefined } as const;
    problems.push({ ...rest, export: one.export, intervals: [], retryAt: undefined, ...problem });
  };
  const fails = (error: FleetError, intervals: readonly Interval[], retryAt: Date | undefined, before = ""): void => {
    const where = /^(?:source|clickhouse)\./.test(error.code) ? "the source" : one.destination;
    const cause = JSON.stringify([where, error.code]);
    const { code, hint, at } = error;
    const what = `${before}${error.message}`;
    add({ cause, severity: "bad", where, what, hint, code, at, intervals, retryAt });
  };
  if (ledgerError) {
    fails(ledgerError, [], undefined, ledgerError.code === "source.clock" ? "" : "Can't read the load history: ");
  }
  for (const { error, interval, retryAt } of one.failedIntervals) fails(error, [interval], retryAt);
  if (one.failedIntervals.length === 0 && one.failuresInRow > 0 && one.lastError) fails(one.lastError, [], undefined);
  if (paused && !isFailing(one)) {
    const what = `Paused by ${paused.by}: ${paused.reason}`;
    add({ cause: JSON.stringify(["paused", what]), what, at: paused.since, where: "" });
  }
  if (!isFailing(one) && !paused && isLate(one)) {
    const what = "Intervals are due and not loaded yet.";
    const hint = "If that doesn't change, the fleet is too small: start more workers.";
    add({ cause: JSON.stringify(["late", one.destination]), what, hint, at: new Date(0) });
  }
  if (lastReceipt?.silentSince) {
    const what = `No rows since ${minute(lastReceipt.silentSince)} UTC, although there usually are some.`;
    const hint = "Look at the source: ingestion may have stopped.";
    add({ cause: JSON.stringify(["silent"]), what, hint, where: "the source", at: lastReceipt.silentSince });
  }
  if (lastAudit && lastAudit.lacking > 0) {
    const { readAt: at, lacking, unrepaired } = lastAudit;
    const again = unrepaired > 0 ? `, ${count(unrepaired)} of them although they were read again` : "";
    const what = `The last audit found ${plural(lacking, "session")} lacking${again}.`;
    add({ cause: JSON.stringify(["audit", one.destination]), what, at, severity: unrepaired > 0 ? "bad" : "warn" });
  }
  return problems;
}
