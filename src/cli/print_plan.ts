/** Prints the plan of a backfill: its intervals, or its months if there are many, with the rows, bytes and time to expect. */
import type { Receipt } from "../../destinations/destination.ts";
import type { ExportDefinition } from "../export/definition.ts";
import { expectedRows } from "../intervals/backfill.ts";
import type { Interval } from "../intervals/interval.ts";
import type { Context } from "./context.ts";
import { bytes, formatDuration, plural, printJson, printLine, printTable, time } from "./output.ts";
import type { BackfillPlan } from "./plan_backfill.ts";

/** Of a replay in Parquet, and of a load on a small machine: guesses for exports that have loaded nothing yet. */
const USUAL = { rowBytes: 100, rowsPerSecond: 50_000 } as const;
/** What each interval takes beside its rows. */
const INTERVAL_SECONDS = 0.2;
/** More intervals than this are summed up by month. */
const MOST_LISTED = 62;

interface Pace {
  readonly rowBytes: number;
  readonly rowsPerSecond: number;
  readonly known: boolean;
}

interface Planned extends Interval {
  readonly rows: number | undefined;
  readonly bytes: number | undefined;
}

export async function printPlan(
  context: Context,
  definition: ExportDefinition,
  { intervals, covered, density }: BackfillPlan,
  { nothing, concurrency, json }: { readonly nothing: string; readonly concurrency: number; readonly json: boolean },
): Promise<void> {
  const { stdout } = context.cli;
  const pace = await paceOf(context, definition, covered.at(-1)?.interval);
  const plan: Planned[] = intervals.map((one) => {
    const rows = density === undefined ? undefined : expectedRows(one, density);
    return { ...one, rows, bytes: rows === undefined ? undefined : Math.ceil(rows * pace.rowBytes) };
  });
  if (json)
    return printJson(
      stdout,
      plan.map(({ start, end, rows, bytes: size }) => ({ interval: { start, end }, rows, bytes: size })),
    );
  if (plan.length === 0) return printLine(stdout, `${definition.name}: ${nothing}`);
  const unknown = "unknown";
  const amounts = ({ rows, bytes: size }: Pick<Planned, "rows" | "bytes">) => [
    rows ?? unknown,
    size === undefined ? unknown : bytes(size),
  ];
  if (plan.length <= MOST_LISTED) {
    const rows = plan.map((one) => [time(one.start), time(one.end), ...amounts(one)]);
    printTable(stdout, ["start (UTC)", "end (UTC)", "rows", "bytes"], rows);
  } else {
    const months = Map.groupBy(plan, ({ start }) => start.toISOString().slice(0, 7));
    const rows = [...months].map(([month, list]) => [month, list.length, ...amounts(sumOf(list))]);
    printTable(stdout, ["month (UTC)", "intervals", "rows", "bytes"], rows);
  }
  const { rows = 0, bytes: size = 0 } = sumOf(plan);
  const seconds = plan.length * INTERVAL_SECONDS + rows / pace.rowsPerSecond / concurrency;
  const basis = pace.known ? "at the pace of the last load" : "by a guess, since nothing is loaded yet";
  const amount =
    density === undefined
      ? ""
      : `, at most ${plural(rows, "row")}, about ${bytes(size)}, about ${formatDuration(seconds)} ${basis}`;
  printLine(stdout, `\n${plural(plan.length, "interval")}${amount}; nothing was loaded.`);
}

function sumOf(list: readonly Planned[]): Pick<Planned, "rows" | "bytes"> {
  if (list.some(({ rows }) => rows === undefined)) return { rows: undefined, bytes: undefined };
  const sum = (of: (one: Planned) => number | undefined): number =>
    list.reduce((total, one) => total + (of(one) ?? 0), 0);
  return { rows: sum(({ rows }) => rows), bytes: sum(({ bytes: size }) => size) };
}

/** As in the newest batch that has rows. */
async function paceOf(context: Context, definition: ExportDefinition, newest: Interval | undefined): Promise<Pace> {
  const guess = { ...USUAL, known: false };
  if (!newest) return guess;
  for await (const receipt of context.destination(definition).receipts(newest, context.cli.signal)) {
    if (receipt.rows > 0)
      return { rowBytes: receipt.bytes / receipt.rows, rowsPerSecond: speedOf(receipt), known: true };
  }
  return guess;
}

/** From the read to the commit. A small batch says little about a large one, so it counts as no slower than the guess. */
function speedOf({ rows, readAt, committedAt }: Receipt): number {
  const seconds = (committedAt.getTime() - readAt.getTime()) / 1000 - INTERVAL_SECONDS;
  const speed = seconds > 0 ? rows / seconds : USUAL.rowsPerSecond;
  return rows < USUAL.rowsPerSecond ? Math.max(speed, USUAL.rowsPerSecond) : speed;
}
