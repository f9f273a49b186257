import type { Command } from "commander";
import type { Coverage } from "../../../destinations/destination.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { dueIntervals, readCoverage } from "../../export/ledger.ts";
import { planBackfill } from "../../intervals/backfill.ts";
import type { Interval } from "../../intervals/interval.ts";
import { parseTimeOption, wholeNumber, usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { type ExportResult, loadIntervals, printSummary } from "../load_report.ts";

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
    .option("--concurrency <n>", "intervals at the same time", wholeNumber, 1)
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
  await using context = await Context.open(cli, options);
  const results: ExportResult[] = [];
  for (const definition of context.exports(name)) {
    const covered = await readCoverage(context.destination(definition), cli.signal);
    const intervals =
      options.interval === undefined
        ? dueIntervals(definition, covered, cli.now(), options.limit)
        : oneInterval(definition, options.interval, covered, cli.now());
    if (intervals.length === 0) {
      results.push({ export: definition.name, receipts: [], failures: [], seconds: 0 });
      continue;
    }
    const { concurrency, quiet = false } = options;
    results.push(await loadIntervals(context, definition, { intervals, covered, concurrency, quiet }));
  }
  printSummary(context, results, "nothing is due", options.json === true);
}

/** The schedule's interval that starts at the given time, widened to the receipts that it would replace. */
function oneInterval(definition: ExportDefinition, text: string, covered: readonly Coverage[], now: Date): Interval[] {
  const { schedule, settleMs } = definition;
  const start = parseTimeOption(text, schedule.timezone, "--interval");
  const end = schedule.next(start);
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
