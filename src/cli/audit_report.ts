/** Runs an audit for `audit` and `run --due`, and says what it found. */
import { auditExport } from "../audit/audit.ts";
import type { Audit } from "../audit/receipt.ts";
import { summaryOf, unrepairedError } from "../audit/summary.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { withinTime } from "../export/time_limit.ts";
import { BATCH_RETRY, withRetries } from "../retry.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit_codes.ts";
import { errorFields } from "./log.ts";
import { count, plural } from "./output.ts";

/** One sentence, for `audit` and `status`. */
export function describeAudit(audit: Audit): string {
  const { lacking, unrepaired, onlyDestination, unexamined } = summaryOf(audit);
  const sessions = audit.days.reduce((sum, { source }) => sum + source, 0);
  const found = [
    lacking === 0 ? "nothing is missing" : `${plural(lacking, "session")} missing`,
    ...(unrepaired > 0 ? [`${count(unrepaired)} of them although they were loaded again`] : []),
    ...(onlyDestination > 0 ? [`${count(onlyDestination)} only in the destination`] : []),
    ...(unexamined > 0 ? [`${count(unexamined)} left for the next audit`] : []),
  ];
  return `${plural(sessions, "session")} of ${plural(audit.days.length, "day")} compared, ${found.join(", ")}`;
}

/** Logs what it found. Sets the exit code if rows are missing that loading again did not bring. Undefined if there's nothing to compare. */
export async function runAudit(
  context: Context,
  definition: ExportDefinition,
  days: number,
): Promise<Audit | undefined> {
  const { cli, log } = context;
  const limit = { what: `the audit of ${definition.name}`, ms: definition.attemptMs };
  const dependencies = await context.loading(definition);
  const audit = await withRetries(
    async () =>
      await withinTime(limit, async (signal) => await auditExport(definition, days, dependencies, signal), cli.signal),
    {
      policy: BATCH_RETRY,
      onRetry: (error, attempt, delayMs) =>
        log.warn({ export: definition.name, attempt, delayMs, ...errorFields(error) }, "will audit again"),
    },
    cli.signal,
  );
  if (!audit) return undefined;
  log.info({ export: definition.name, ...summaryOf(audit) }, "audited");
  const unrepaired = unrepairedError(audit);
  if (unrepaired) {
    log.error({ export: definition.name, ...errorFields(unrepaired) }, "rows are missing");
    cli.setExitCode(EXIT.failed);
  }
  return audit;
}
