import { hostname, userInfo } from "node:os";
import { type Command, Option } from "commander";
import type { ExportDefinition } from "../../export/definition.ts";
import { readCoverage } from "../../export/ledger.ts";
import { runIntervals } from "../../export/run_intervals.ts";
import { BATCH_RETRY } from "../../retry.ts";
import { type Density, expectedRows, planBackfill } from "../../intervals/backfill.ts";
import { type Interval, interval } from "../../intervals/interval.ts";
import { JOIN_UNITS, type JoinUnit } from "../../intervals/schedule.ts";
import { parseTimeOption, wholeNumber } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { backfillLine, openFleetHost } from "../fleet_host.ts";
import { reportLoading, printSummary } from "../load_report.ts";
import { bytes, plural, printJson, printLine, printTable, time } from "../output.ts";
import { joinOf, readDensity } from "../plan_backfill.ts";

interface BackfillOptions extends GlobalOptions {
  readonly from: string;
  readonly to: string;
  readonly force?: boolean;
  readonly allowFewer?: boolean;
  readonly concurrency?: number;
  readonly interval: "auto" | "schedule" | JoinUnit;
  readonly plan?: boolean;
  readonly enqueue?: boolean;
  readonly json?: boolean;
}

/** A row of a replay in Parquet, before this export has files of its own to go by. */
const USUAL_ROW_BYTES = 100;

export function addBackfill(program: Command, cli: CliEnvironment): void {
  program
    .command("backfill")
    .description("load every interval of a range that has no receipt, in this process or by the fleet")
    .argument("<export>", "the export")
    .requiredOption("--from <time>", "start of the range, a date or a time")
    .requiredOption("--to <time>", "end of the range, not included")
    .option("--force", "load again what has a receipt, for example under new column rules")
    .option("--allow-fewer", "with --force: replace a batch even where the source now has fewer sessions")
    .option("--concurrency <n>", "intervals at the same time (default: 1; with --enqueue, the config's)", wholeNumber)
    .addOption(
      new Option("--interval <size>", "how far turns of the schedule are joined into one batch")
        .choices(["auto", "schedule", ...JOIN_UNITS])
        .default("auto"),
    )
    .option("--plan", "print the intervals, rows and bytes to expect, and load nothing")
    .option("--enqueue", "leave it to the workers of the fleet (needs Redis), and return at once")
    .option("--json", "print the plan, or what was loaded or enqueued, as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --plan" +
        "\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --concurrency 2" +
        "\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --enqueue" +
        "\n\nauto joins turns up to one file's rows, within one folder of the path: a folder for a day holds that day.",
    )
    .action(async (name: string, _options, command: Command) => {
      await backfill(cli, name, command.optsWithGlobals());
    });
}

/** Only whole turns of the schedule that are settled can be loaded, so a range may also be too young or too small. */
const NOTHING_OPEN = "each turn in this range that is over has its receipt; --force loads them again";

async function backfill(cli: CliEnvironment, name: string, options: BackfillOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const [definition] = context.exports(name);
  if (!definition) return;
  const began = performance.now();
  const { timezone } = definition.schedule;
  const range = interval(
    parseTimeOption(options.from, timezone, "--from"),
    parseTimeOption(options.to, timezone, "--to"),
  );
  if (options.enqueue === true && options.plan !== true) {
    await enqueue(cli, name, range, options);
    return;
  }
  const covered = await readCoverage(context.destination(definition), cli.signal);
  const density =
    options.plan === true || options.interval === "auto"
      ? await readDensity(context, definition, range, cli.signal)
      : undefined;
  const intervals = planBackfill({
    range,
    schedule: definition.schedule,
    settleMs: definition.settleMs,
    now: cli.now(),
    covered: covered.map((one) => one.interval),
    force: options.force === true,
    join: joinOf(definition, options.interval, density),
  });
  if (options.plan === true) {
    await printPlan(context, definition, intervals, density, options.json === true);
    return;
  }
  using report = reportLoading(context, definition, intervals.length, options.quiet === true);
  const result = await runIntervals(
    definition,
    intervals,
    {
      covered,
      concurrency: options.concurrency ?? 1,
      retry: BATCH_RETRY,
      allowFewer: options.allowFewer === true,
    },
    await context.loading(definition),
    report.onEvent,
    cli.signal,
  );
  printSummary(
    context,
    [{ export: name, ...result, seconds: (performance.now() - began) / 1000 }],
    NOTHING_OPEN,
    options.json === true,
  );
}

async function enqueue(cli: CliEnvironment, name: string, range: Interval, options: BackfillOptions): Promise<void> {
  await using host = await openFleetHost(cli, options);
  const started = await host.fleet.startBackfill(
    {
      export: name,
      range,
      force: options.force === true,
      allowFewer: options.allowFewer === true,
      size: options.interval,
      ...(options.concurrency === undefined ? {} : { inFlight: options.concurrency }),
      createdBy: `${userInfo().username}@${hostname()}`,
    },
    cli.signal,
  );
  if (options.json === true) printJson(cli.stdout, started);
  else if (started.total === 0) printLine(cli.stdout, `${name}: ${NOTHING_OPEN}`);
  else {
    printLine(cli.stdout, backfillLine(started, cli.now()));
    printLine(cli.stdout, `To see how it goes: replayport backfills ${started.id}`);
  }
}

async function printPlan(
  context: Context,
  definition: ExportDefinition,
  intervals: readonly Interval[],
  density: readonly Density[] | undefined,
  json: boolean,
): Promise<void> {
  const { cli } = context;
  const perRow = await bytesPerRow(context, definition);
  const plan = intervals.map((one) => {
    const rows = density === undefined ? undefined : expectedRows(one, density);
    return { ...one, rows, bytes: rows === undefined ? undefined : Math.ceil(rows * perRow) };
  });
  if (json) {
    printJson(cli.stdout, plan);
    return;
  }
  if (plan.length === 0) {
    printLine(cli.stdout, `${definition.name}: ${NOTHING_OPEN}`);
    return;
  }
  const unknown = "unknown";
  printTable(
    cli.stdout,
    ["start (UTC)", "end (UTC)", "rows", "bytes"],
    plan.map(({ start, end, rows, bytes: size }) => [
      time(start),
      time(end),
      rows ?? unknown,
      size === undefined ? unknown : bytes(size),
    ]),
  );
  const rows = plan.reduce((sum, one) => sum + (one.rows ?? 0), 0);
  const size = plan.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  const amount = density === undefined ? "" : `, at most ${plural(rows, "row")}, about ${bytes(size)}`;
  printLine(cli.stdout, `\n${plural(plan.length, "interval")}${amount}; nothing was loaded.`);
}

async function bytesPerRow(context: Context, definition: ExportDefinition): Promise<number> {
  const [newest] = (await readCoverage(context.destination(definition), context.cli.signal)).slice(-1);
  if (!newest) return USUAL_ROW_BYTES;
  for await (const receipt of context.destination(definition).receipts(newest.interval, context.cli.signal)) {
    if (receipt.rows > 0) return receipt.bytes / receipt.rows;
  }
  return USUAL_ROW_BYTES;
}
