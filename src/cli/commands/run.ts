import type { Command } from "commander";
import type { ExportDefinition } from "../../export/definition.ts";
import { dueIntervals, readCoverage } from "../../export/ledger.ts";
import { runIntervals } from "../../export/run_intervals.ts";
import { BATCH_RETRY } from "../../retry.ts";
import { planBackfill } from "../../intervals/backfill.ts";
import type { Interval } from "../../intervals/interval.ts";
import { parseTimeOption, wholeNumber, usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { type ExportResult, reportLoading, printSummary } from "../load_report.ts";

interface RunCommandOptions extends GlobalOptions {
  readonly due?: boolean;
  readonly interval?: string;
  readonly limit?: number;
  readonly concurrency: number;
  readonly json?: boolean;
}

export function addRun(program: Command, cli: CliEnvironment): void {
  program
    .command("run")
    .description("load what is due, or one interval again, in this process")
    .argument("[export]", "one export; all of them where it is left out")
    .option("--due", "every interval that has no receipt yet, oldest first")
    .option("--interval <start>", "the interval that starts then, loaded or not")
    .option("--limit <n>", "at most so many intervals of each export", wholeNumber)
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
    const began = performance.now();
    const covered = await readCoverage(context.destination(definition), cli.signal);
    const again = options.interval;
    const intervals =
      again === undefined
        ? dueIntervals(definition, covered, cli.now(), options.limit)
        : oneInterval(
            definition,
            again,
            covered.map((one) => one.interval),
            cli.now(),
          );
    if (intervals.length === 0) {
      results.push({ export: definition.name, receipts: [], failures: [], seconds: 0 });
      continue;
    }
    using report = reportLoading(context, definition, intervals.length, options.quiet === true);
    const result = await runIntervals(
      definition,
      intervals,
      {
        covered,
        concurrency: options.concurrency,
        retry: BATCH_RETRY,
        allowFewer: false,
      },
      await context.loading(definition),
      report.onEvent,
      cli.signal,
    );
    results.push({ export: definition.name, ...result, seconds: (performance.now() - began) / 1000 });
  }
  printSummary(context, results, "nothing is due", options.json === true);
}

/** The turn of the schedule that starts there, widened to the receipts that it would replace. */
function oneInterval(definition: ExportDefinition, text: string, covered: readonly Interval[], now: Date): Interval[] {
  const start = parseTimeOption(text, definition.schedule.timezone, "--interval");
  const end = definition.schedule.next(start);
  const { schedule, settleMs } = definition;
  const planned =
    end &&
    planBackfill({
      range: { start, end },
      schedule,
      settleMs,
      now,
      covered,
      force: true,
      join: { kind: "fixed", schedule },
    });
  if (planned && planned.length > 0) return planned;
  throw usageError(
    `the interval from ${start.toISOString()} has not ended, or not settled`,
    "Wait until its end plus the export's settle has passed.",
  );
}
