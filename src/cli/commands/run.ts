import type { Command } from "commander";
import type { Coverage } from "../../../destinations/destination.ts";
import { auditIsDue } from "../../audit/audit.ts";
import { type Audit, lackingOf, readAudit } from "../../audit/receipt.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { dueIntervals, readCoverage } from "../../export/ledger.ts";
import { readSilence } from "../../export/silence.ts";
import { lastTick } from "../../intervals/schedule.ts";
import { planBackfill } from "../../intervals/backfill.ts";
import type { Interval } from "../../intervals/interval.ts";
import { wholeNumber, usageError } from "../arguments.ts";
import { runAudit } from "../audit_report.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { errorFields } from "../log.ts";
import { sayStopping } from "../stopping.ts";
import { parseTimeOption, second } from "../times.ts";
import { type ExportResult, loadIntervals, printSummary, SILENT } from "../load_report.ts";

interface RunCommandOptions extends GlobalOptions {
  readonly due?: boolean;
  readonly interval?: string;
  readonly limit?: number;
  readonly concurrency: number;
}

export function addRun(program: Command, cli: CliEnvironment): void {
  program
    .command("run")
    .description("load what is due, or one interval again, in this process")
    .argument("[export]", "the export (default: all)")
    .option("--due", "every interval that is not loaded yet, oldest first")
    .option("--interval <start>", "the interval that starts at this time, even if it is loaded")
    .option("--limit <n>", "load at most N intervals per export", wholeNumber)
    .option("--concurrency <n>", "intervals at the same time", wholeNumber, 2)
    .option("--json", "print what was loaded as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport run --due                  # from cron or a systemd timer, as often as you like" +
        "\n  replayport run replays --interval 2026-10-01T13:00:00Z",
    )
    .action(async (name: string | undefined, _options, command: Command) => {
      await run(cli, name, command.optsWithGlobals());
    });
}

async function run(cli: CliEnvironment, name: string | undefined, options: RunCommandOptions): Promise<void> {
  if ((options.due === true) === (options.interval !== undefined)) {
    throw usageError("run takes either --due or --interval START", "For the usual case: replayport run --due");
  }
  if (options.interval !== undefined && name === undefined) {
    throw usageError(
      "--interval needs the name of an export",
      "For example: replayport run replays --interval 2026-10-01",
    );
  }
  await using context = await Context.open(cli, options, "all");
  using _stopping = sayStopping(cli);
  const results: ExportResult[] = [];
  for (const definition of context.exports(name)) {
    results.push(await loadExport(context, definition, options));
  }
  printSummary(context, results, "nothing is due", options.json === true);
}

/** A load that shows a later watermark makes open intervals due again, and an audit those that lack rows. */
const ROUNDS = 4;

async function loadExport(
  context: Context,
  definition: ExportDefinition,
  options: RunCommandOptions,
): Promise<ExportResult> {
  const { concurrency, quiet = false } = options;
  const { signal } = context.cli;
  const destination = context.destination(definition);
  let covered: readonly Coverage[] = await readCoverage(destination, signal);
  let total: ExportResult = { export: definition.name, receipts: [], failures: [], seconds: 0 };
  let audit = options.due === true ? await readAudit(destination, signal) : undefined;
  const rounds = options.interval === undefined ? ROUNDS : 1;
  for (let round = 0; round < rounds && total.failures.length === 0; round += 1) {
    const now = await context.agreedNow(definition, signal);
    const left = options.limit === undefined ? {} : { limit: options.limit - total.receipts.length };
    const intervals =
      options.interval === undefined
        ? dueIntervals(definition, covered, now, { ...left, lacking: lackingOf(audit) })
        : oneInterval(definition, options.interval, covered, now);
    if (intervals.length === 0) {
      if (options.due !== true || left.limit === 0 || !auditIsDue(definition, audit, now)) break;
      audit = await auditAfterLoad(context, definition);
      if (!audit) break;
      continue;
    }
    const rest = "To load the rest: replayport run --due";
    const load = { intervals, covered, concurrency, quiet, rest };
    const { receipts, failures, seconds } = await loadIntervals(context, definition, load);
    covered = [...covered, ...receipts];
    total = { ...total, receipts: [...total.receipts, ...receipts], failures, seconds: total.seconds + seconds };
  }
  const empty = total.receipts.findLast(({ rows }) => rows === 0);
  if (options.due === true && empty) {
    const since = await readSilence(destination, empty.interval, signal);
    if (since) context.log.warn({ export: definition.name, since: since.toISOString() }, SILENT);
  }
  return total;
}

/** Undefined if it failed: what was loaded stays. */
async function auditAfterLoad(context: Context, definition: ExportDefinition): Promise<Audit | undefined> {
  const { cli, log } = context;
  try {
    return await runAudit(context, definition, definition.audit?.days ?? 0);
  } catch (error) {
    cli.signal.throwIfAborted();
    log.error({ export: definition.name, ...errorFields(error) }, "not audited");
    cli.setExitCode(EXIT.failed);
    return undefined;
  }
}

/** The schedule's interval that starts at the given time, widened to the receipts that it would replace. */
function oneInterval(definition: ExportDefinition, text: string, covered: readonly Coverage[], now: Date): Interval[] {
  const { schedule, settleMs } = definition;
  const start = parseTimeOption(text, schedule.timezone, "--interval", now);
  const end = schedule.next(start);
  const begins = (time: Date): boolean =>
    time.getTime() === definition.start.getTime() ||
    covered.some((one) => one.interval.start.getTime() === time.getTime());
  const before = lastTick(schedule, start);
  if (before?.getTime() !== start.getTime() && !begins(start)) {
    const around = [before, end].flatMap((time) => (time ? [second(time)] : []));
    throw usageError(
      `no interval of ${definition.name} starts at ${second(start)}`,
      `Around it: ${around.join(" and ")}.`,
    );
  }
  const planned = end
    ? planBackfill({
        range: { start, end },
        schedule,
        settleMs,
        now,
        covered: covered.map((one) => one.interval),
        force: true,
        join: { kind: "fixed", schedule },
      })
    : [];
  if (planned.length > 0) return planned;
  throw usageError(
    `the interval from ${start.toISOString()} has not ended, or not settled`,
    "Wait until its end plus the export's settle has passed.",
  );
}
