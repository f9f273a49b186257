/** An audit as a job: asks whether it's still due, runs it, and fails if rows are lacking that no read brings. */
import { auditExport, auditIsDue } from "../../audit/audit.ts";
import { readAudit } from "../../audit/receipt.ts";
import { summaryOf, unrepairedError } from "../../audit/summary.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import type { Outcome, Task } from "../redis/jobs.ts";
import { type AttemptContext, type AttemptDependencies, aboutRun, runOf } from "./about_run.ts";

/** Resolves once the outcome is stored. Rejects with what an audit rejects with, or `audit.unrepaired`. */
export async function runAudit(
  task: Task,
  context: AttemptContext,
  definition: ExportDefinition,
  dependencies: AttemptDependencies,
  seconds: () => number,
  signal: AbortSignal,
): Promise<Outcome> {
  const { state, events, now } = dependencies;
  const loading = await dependencies.loadDependencies(definition, () => undefined);
  const last = await readAudit(loading.destination, signal);
  const isDue = auditIsDue(definition, last, now());
  const audit = isDue
    ? await context.working(auditExport(definition, definition.audit?.days ?? 0, loading, signal))
    : undefined;
  const unrepaired = audit && unrepairedError(audit);
  if (unrepaired) throw unrepaired;
  await state.clearFailed(task.export, [task.interval]);
  const event = { ...aboutRun(task, context), at: now(), seconds: seconds() };
  await state.addRun(runOf(task, context, { state: audit ? "loaded" : "covered", finishedAt: now() }));
  if (audit) events.emit({ ...event, kind: "run.audited", ...summaryOf(audit) });
  else events.emit({ ...event, kind: "run.covered" });
  return { kind: "audited" };
}
