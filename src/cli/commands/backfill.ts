import { type Command, Option } from "commander";
import type { BackfillRequest } from "../../fleet/fleet.ts";
import { JOIN_UNITS, type JoinUnit } from "../../intervals/schedule.ts";
import { wholeDays } from "../../export/corrections.ts";
import { operator, usageError, wholeNumber } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { backfillLine, openFleetHost } from "../fleet_host.ts";
import { loadIntervals, printSummary } from "../load_report.ts";
import { printJson, printLine } from "../output.ts";
import { planFor } from "../plan_backfill.ts";
import { printPlan } from "../print_plan.ts";
import { interruptedBackfill, notLoadedSince, rememberBackfill } from "../resume_backfill.ts";
import { sayStopping } from "../stopping.ts";
import { parseRange, second } from "../times.ts";

interface BackfillOptions extends GlobalOptions {
  readonly from: string;
  readonly to: string;
  readonly force?: boolean;
  readonly sourceIsRight?: boolean;
  readonly concurrency?: number;
  readonly interval: "auto" | "schedule" | JoinUnit;
  readonly plan?: boolean;
  readonly resume?: boolean;
  readonly enqueue?: boolean;
}

export function addBackfill(program: Command, cli: CliEnvironment): void {
  program
    .command("backfill")
    .description("load the intervals of a range that are not loaded yet, in this process or by the fleet")
    .argument("<export>", "the export")
    .requiredOption("--from <time>", "start of the range: a date, a time with its zone, yesterday, or -7d")
    .requiredOption("--to <time>", "end of the range, not included; also: now, today")
    .option("--force", "load intervals even if they are loaded, for example after changing column rules")
    .addOption(
      new Option(
        "--source-is-right",
        "if the source had too much, such as duplicate rows: load the range's whole days (UTC) again, and let the new rows win even if they have less",
      ).implies({ force: true }),
    )
    .option("--resume", "continue a --force that was cut off: skip what it has reloaded")
    .option("--concurrency <n>", "intervals at the same time (default: 2; with --enqueue, the config's)", wholeNumber)
    .addOption(
      new Option("--interval <size>", "how many intervals of the schedule to join into one batch")
        .choices(["auto", "schedule", ...JOIN_UNITS])
        .default("auto"),
    )
    .option("--plan", "print the intervals, rows and bytes to expect, and load nothing")
    .option("--enqueue", "let the workers of the fleet load it (needs Redis), and return at once")
    .option("--json", "print the plan, or what was loaded or enqueued, as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --plan" +
        "\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --concurrency 4" +
        "\n  replayport backfill replays --from -7d --to now --force" +
        "\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --enqueue" +
        "\n\nauto joins as many intervals as fit into one file and one folder of the export's path.",
    )
    .action(async (name: string, _options, command: Command) => {
      await backfill(cli, name, command.optsWithGlobals());
    });
}

/** Only whole intervals that have settled can be loaded, so the range may also be too recent or too short. */
const NOTHING_OPEN = "every interval in this range that has ended is loaded; --force loads them again";

async function backfill(cli: CliEnvironment, name: string, options: BackfillOptions): Promise<void> {
  await using context = await Context.open(cli, options, "all");
  const [definition] = context.exports(name);
  if (!definition) return;
  const now = cli.now();
  const range = parseRange(options.from, options.to, definition.schedule.timezone, now);
  if (range.end > now) {
    context.log.warn(`--to is in the future: ${second(range.end)}. Only intervals that have ended can be loaded`);
  }
  const { plan: planOnly = false, force = false, sourceIsRight = false, quiet = false, json = false } = options;
  const resume = options.resume === true;
  if (resume && !force) {
    throw usageError("--resume is for --force", "Without --force, run the same command again: it loads the rest.");
  }
  if (resume && options.enqueue === true) {
    throw usageError("--resume and --enqueue exclude each other", "A fleet continues by itself.");
  }
  const request = { range, force, sourceIsRight, size: options.interval, createdBy: operator() };
  if (options.enqueue === true && !planOnly) {
    await enqueue(cli, { ...request, export: name }, options);
    return;
  }
  using _stopping = sayStopping(cli);
  const reloaded = sourceIsRight ? wholeDays(range) : range;
  const began = resume ? await interruptedBackfill(context.stageRoot, name, reloaded) : now;
  // The correction was made when the backfill began.
  const asked = resume ? { ...request, range: reloaded, sourceIsRight: false } : request;
  const planned = await planFor(context, definition, asked, cli.signal, planOnly);
  const plan = resume ? { ...planned, intervals: notLoadedSince(began, planned.intervals, planned.covered) } : planned;
  const concurrency = options.concurrency ?? 2;
  if (planOnly) {
    await printPlan(context, definition, plan, { nothing: NOTHING_OPEN, concurrency, json });
    return;
  }
  const remembered = force ? await rememberBackfill(context.stageRoot, name, reloaded, began) : undefined;
  const rest = `To load the rest: the same command${force ? " with --resume" : ""}`;
  const result = await loadIntervals(context, definition, { ...plan, concurrency, quiet, rest });
  if (result.failures.length === 0) await remembered?.[Symbol.asyncDispose]();
  printSummary(context, [result], NOTHING_OPEN, json);
}

async function enqueue(cli: CliEnvironment, request: BackfillRequest, options: BackfillOptions): Promise<void> {
  await using host = await openFleetHost(cli, options);
  const inFlight = options.concurrency === undefined ? {} : { inFlight: options.concurrency };
  const started = await host.fleet.startBackfill({ ...request, ...inFlight }, cli.signal);
  if (options.json === true) printJson(cli.stdout, started);
  else if (started.total === 0) printLine(cli.stdout, `${request.export}: ${NOTHING_OPEN}`);
  else {
    printLine(cli.stdout, backfillLine(started, cli.now()));
    printLine(cli.stdout, `To follow it: replayport backfills ${started.id}`);
  }
}
