import { type Command, Option } from "commander";
import { pathGranularity } from "../../../destinations/lake/index.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { readCoverage } from "../../export/ledger.ts";
import { RETRY, runIntervals } from "../../export/run_intervals.ts";
import { type Density, type Join, expectedRows, planBackfill } from "../../intervals/backfill.ts";
import { type Interval, interval } from "../../intervals/interval.ts";
import { JOIN_UNITS, type JoinUnit, unitSchedule } from "../../intervals/schedule.ts";
import { moment, wholeNumber } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { reportLoading, sumUp } from "../load_report.ts";
import { bytes, plural, printJson, printLine, printTable, time } from "../output.ts";

interface BackfillOptions extends GlobalOptions {
  readonly from: string;
  readonly to: string;
  readonly force?: boolean;
  readonly allowFewer?: boolean;
  readonly concurrency: number;
  readonly interval: "auto" | "schedule" | JoinUnit;
  readonly plan?: boolean;
  readonly json?: boolean;
}

/** A row of a replay in Parquet, before this export has files of its own to go by. */
const USUAL_ROW_BYTES = 100;
const HOUR_MS = 3_600_000;

export function addBackfill(program: Command, cli: CliEnvironment): void {
  program
    .command("backfill")
    .description("load every interval of a range that has no receipt, in this process")
    .argument("<export>", "the export")
    .requiredOption("--from <time>", "start of the range, a date or a time")
    .requiredOption("--to <time>", "end of the range, not included")
    .option("--force", "load again what has a receipt, for example under new column rules")
    .option("--allow-fewer", "with --force: replace a batch even where the source now has fewer sessions")
    .option("--concurrency <n>", "intervals at the same time", wholeNumber, 1)
    .addOption(
      new Option("--interval <size>", "how far turns of the schedule are joined into one batch")
        .choices(["auto", "schedule", ...JOIN_UNITS])
        .default("auto"),
    )
    .option("--plan", "print the intervals, rows and bytes to expect, and load nothing")
    .option("--json", "print the plan, or what was loaded, as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --plan" +
        "\n  replayport backfill replays --from 2026-01-01 --to 2026-10-01 --concurrency 2" +
        "\n\nauto joins turns up to one file's rows, within one folder of the path: a folder for a day holds that day.",
    )
    .action(async (name: string, _options, command: Command) => {
      await backfill(cli, name, command.optsWithGlobals());
    });
}

async function backfill(cli: CliEnvironment, name: string, options: BackfillOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const [definition] = context.exports(name);
  if (!definition) return;
  const began = performance.now();
  const { timezone } = definition.schedule;
  const range = interval(moment(options.from, timezone, "--from"), moment(options.to, timezone, "--to"));
  const covered = await readCoverage(context.destination(definition), cli.signal);
  const density =
    options.plan === true || options.interval === "auto" ? await readDensity(context, definition, range) : undefined;
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
      concurrency: options.concurrency,
      retry: RETRY,
      replace: options.force === true,
      allowFewer: options.allowFewer === true,
    },
    await context.loading(definition),
    report.onEvent,
    cli.signal,
  );
  sumUp(context, [{ export: name, ...result, seconds: (performance.now() - began) / 1000 }], options.json === true);
}

function joinOf(definition: ExportDefinition, size: BackfillOptions["interval"], density: Density[] | undefined): Join {
  if (size === "auto" && density) {
    const granularity = pathGranularity(definition.path);
    const unit: JoinUnit = granularity === "hour" || granularity === "day" ? granularity : "month";
    // Folders are named in UTC.
    return { kind: "rows", maxRows: definition.rowsPerFile, within: unitSchedule(unit, "UTC"), density };
  }
  if (size === "auto" || size === "schedule") return { kind: "fixed", schedule: definition.schedule };
  return { kind: "fixed", schedule: unitSchedule(size, definition.schedule.timezone) };
}

/** Sessions that changed in each hour of the range; undefined where the model cannot tell. */
async function readDensity(
  context: Context,
  definition: ExportDefinition,
  range: Interval,
): Promise<Density[] | undefined> {
  const source = await context.source();
  const model = await source.model(definition, context.cli.signal);
  const query = model.density(range);
  if (!query) return undefined;
  const purpose = { export: definition.name, interval: range, limits: definition.limits };
  const hours = await source.numbers(query, purpose, context.cli.signal);
  return hours.map(({ hour = 0, sessions = 0 }) => {
    const start = new Date(hour * 1000);
    return { interval: { start, end: new Date(start.getTime() + HOUR_MS) }, rows: sessions };
  });
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
