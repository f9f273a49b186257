/**
 * What needs attention, each cause once. A broken folder fails every export that writes to it, each with a message that names its own
 * file, so problems are grouped by where they come from and their code, not by their text.
 */
import type { ExportStatus, FleetError, Run } from "../../fleet/fleet.ts";
import type { Interval } from "../../intervals/interval.ts";
import { minute } from "../../text.ts";
import { isLate } from "../../fleet/condition.ts";
import { isFailing } from "./condition.ts";
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
  /** How many of them are paused because of it, and when one of those tries an interval by itself. */
  readonly paused: number;
  readonly probeAt: Date | undefined;
  /** Other messages of the same cause. */
  readonly others: readonly string[];
}

/**
 * Worst and widest first.
 * @param runs of any exports: what fails now is a problem before it has failed for good
 */
export function issuesOf(exports: readonly ExportStatus[], runs: readonly Run[] = []): Issue[] {
  const byName = new Map(exports.map((one) => [one.export, one]));
  const retrying = runs.flatMap((run) => {
    const one = byName.get(run.export);
    return one && run.state === "retrying" && run.error ? [retryOf(one, run, run.error)] : [];
  });
  const groups = Map.groupBy([...exports.flatMap(problemsOf), ...retrying], ({ cause }) => cause);
  const issues = [...groups.values()].flatMap((problems): Issue[] => {
    const newest = problems.reduce((last, one) => (one.at > last.at ? one : last));
    const severity = problems.some((one) => one.severity === "bad") ? "bad" : "warn";
    const { where, what, hint, code } = newest;
    const texts = new Set(problems.map((one) => one.what));
    texts.delete(what);
    const names = [...new Set(problems.map((one) => one.export))];
    const paused = names.flatMap((name) => (severity === "bad" ? (byName.get(name)?.paused ?? []) : []));
    return [
      {
        severity,
        where,
        what,
        hint,
        code,
        exports: names,
        paused: paused.length,
        probeAt: earliest(paused.flatMap(({ probeAt }) => probeAt ?? [])),
        others: [...texts],
        intervals: problems.flatMap((one) => one.intervals),
        retryAt: earliest(problems.flatMap(({ retryAt }) => retryAt ?? [])),
      },
    ];
  });
  return issues.sort(
    (a, b) => Number(b.severity === "bad") - Number(a.severity === "bad") || b.exports.length - a.exports.length || 0,
  );
}

function earliest(times: readonly Date[]): Date | undefined {
  return times.length === 0 ? undefined : new Date(Math.min(...times.map((time) => time.getTime())));
}

/** A destination's name, or `the source`. */
export function placeOf(one: Pick<ExportStatus, "destination"> | undefined, code: string | undefined): string {
  return /^(?:source|clickhouse)\./.test(code ?? "") ? "the source" : (one?.destination ?? "");
}

function retryOf(one: ExportStatus, run: Run, error: FleetError): Problem {
  const where = placeOf(one, error.code);
  const { code, hint, message: what, at } = error;
  const rest = { export: one.export, where, what, hint, code, at, retryAt: run.nextAttemptAt };
  return { cause: JSON.stringify([where, code]), severity: "warn", intervals: [], ...rest };
}

function problemsOf(one: ExportStatus): Problem[] {
  const problems: Problem[] = [];
  const { paused, ledgerError, lastReceipt, lastAudit } = one;
  const add = (problem: Pick<Problem, "cause" | "what" | "at"> & Partial<Problem>): void => {
    const rest = { severity: "warn", where: one.destination, hint: undefined, code: undefined } as const;
    problems.push({ ...rest, export: one.export, intervals: [], retryAt: undefined, ...problem });
  };
  const fails = (error: FleetError, intervals: readonly Interval[], retryAt: Date | undefined, before = ""): void => {
    const where = placeOf(one, error.code);
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
    const again = unrepaired > 0 ? `, ${count(unrepaired)} of them although they were loaded again` : "";
    const what = `The last audit found ${plural(lacking, "session")} lacking${again}.`;
    add({ cause: JSON.stringify(["audit", one.destination]), what, at, severity: unrepaired > 0 ? "bad" : "warn" });
  }
  return problems;
}
