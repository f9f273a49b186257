import { type Command, Option } from "commander";
import type { ExportDefinition } from "../../export/definition.ts";
import type { BackfillRequest } from "../../fleet/fleet.ts";
import { expectedRows } from "../../intervals/backfill.ts";
import { type Interval, interval } from "../../intervals/interval.ts";
import { JOIN_UNITS, type JoinUnit } from "../../intervals/schedule.ts";
import { operator, parseTimeOption, wholeNumber } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { backfillLine, openFleetHost } from "../fleet_host.ts";
import { loadIntervals, printSummary } from "../load_report.ts";
import { bytes, plural, printJson, printLine, printTable, time } from "../output.ts";
import { type BackfillPlan, planFor } from "../plan_backfill.ts";

interface BackfillOptions extends GlobalOptions {
  readonly from: string;
  readonly to: string;
  readonly force?: boolean;
  readonly sourceIsRight?: boolean;
  readonly concurrency?: number;
  readonly interval: "auto" | "schedule" | JoinUnit;
  readonly plan?: boolean;
  readonly enqueue?: boolean;
}

/** Of a replay in Parquet: a guess for exports that have loaded nothing yet. */
const USUAL_ROW_BYTES = 100;

export function addBackfill(program: Command, cli: CliEnvironment): void {
  program
    .command("backfill")
    .description("load the intervals of a range that are not loaded yet, in this process or by the fleet")
    .argument("<export>", "the export")
    .requiredOption("--from <time>", "start of the range, a date or a time")
    .requiredOption("--to <time>", "end of the range, not included")
    .option("--force", "load intervals again that are loaded, for example after changing column rules")
    .addOption(
      new Option(
        "--source-is-right",
        "after the source had too much, such as rows twice: load the range's whole days (UTC) again, and let what is read win where it's less",
      ).implies({ force: true }),
    )
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
  await using context = await Context.open(cli, options);
  const [definition] = context.exports(name);
  if (!definition) return;
  const { timezone } = definition.schedule;
  const range = interval(
    parseTimeOption(options.from, timezone, "--from"),
    parseTimeOption(options.to, timezone, "--to"),
  );
  const { plan: planOnly = false, force = false, sourceIsRight = false, quiet = false, json = false } = options;
  const request = { range, force, sourceIsRight, size: options.interval, createdBy: operator() };
  if (options.enqueue === true && !planOnly) {
    await enqueue(cli, { ...request, export: name }, options);
    return;
  }
  const plan = await planFor(context, definition, request, cli.signal, planOnly);
  if (planOnly) {
    await printPlan(context, definition, plan, json);
    return;
  }
  const load = { ...plan, concurrency: options.concurrency ?? 2, quiet };
  printSummary(context, [await loadIntervals(context, definition, load)], NOTHING_OPEN, json);
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

async function printPlan(
  context: Context,
  definition: ExportDefinition,
  { intervals, covered, density }: BackfillPlan,
  json: boolean,
): Promise<void> {
  const { cli } = context;
  const perRow = await bytesPerRow(context, definition, covered.at(-1)?.interval);
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

/** As in the newest batch. */
async function bytesPerRow(context: Context, definition: ExportDefinition, newest?: Interval): Promise<number> {
  if (!newest) return USUAL_ROW_BYTES;
  for await (const receipt of context.destination(definition).receipts(newest, context.cli.signal)) {
    if (receipt.rows > 0) return receipt.bytes / receipt.rows;
  }
  return USUAL_ROW_BYTES;
}
