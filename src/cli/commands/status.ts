import type { Command } from "commander";
import type { Receipt } from "../../../destinations/destination.ts";
import { type ExportDefinition, fingerprint } from "../../export/definition.ts";
import { ledgerState, readCoverage } from "../../export/ledger.ts";
import type { Interval } from "../../intervals/interval.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { bytes, count, plural, printJson, printLine, printTable, formatDuration, time } from "../output.ts";

interface Status {
  readonly export: string;
  readonly destination: string;
  readonly intervals: number;
  readonly loadedUntil: Date | undefined;
  readonly lagSeconds: number;
  readonly due: number;
  readonly gaps: readonly Interval[];
  readonly rows: number;
  /** Of these, sessions that the destination keeps although the latest reads of their intervals didn't find them. */
  readonly lost: number;
  readonly bytes: number;
  readonly files: number;
  /** Intervals that were loaded under another definition of the export; undefined where this cannot be told. */
  readonly outdated: readonly Interval[] | undefined;
}

/** More gaps than this are counted, not shown. */
const GAPS_SHOWN = 10;

export function addStatus(program: Command, cli: CliEnvironment): void {
  program
    .command("status")
    .description("what is loaded, what is missing, how far behind, from the ledger in the destination")
    .argument("[export]", "one export; all of them where it is left out")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  replayport status --json | jq '.[] | select(.lagSeconds > 7200)'")
    .action(async (name: string | undefined, _options, command: Command) => {
      await status(cli, name, command.optsWithGlobals());
    });
}

async function status(
  cli: CliEnvironment,
  name: string | undefined,
  options: GlobalOptions & { json?: boolean },
): Promise<void> {
  await using context = await Context.open(cli, options);
  const all: Status[] = [];
  for (const definition of context.exports(name)) all.push(await statusOf(context, definition));
  if (options.json === true) {
    printJson(cli.stdout, all);
    return;
  }
  printTable(
    cli.stdout,
    ["export", "loaded until (UTC)", "lag", "due", "intervals", "rows", "bytes", "files"],
    all.map((one) => [
      one.export,
      one.loadedUntil ? time(one.loadedUntil) : "nothing yet",
      formatDuration(one.lagSeconds),
      one.due,
      one.intervals,
      one.rows,
      bytes(one.bytes),
      one.files,
    ]),
  );
  for (const one of all) explain(cli, one);
}

function explain(cli: CliEnvironment, one: Status): void {
  const line = (text: string): void => printLine(cli.stdout, text);
  for (const gap of one.gaps.slice(0, GAPS_SHOWN)) {
    line(`\n${one.export}: not loaded: ${time(gap.start)} … ${time(gap.end)}`);
  }
  if (one.gaps.length > GAPS_SHOWN)
    line(`${one.export}: and ${count(one.gaps.length - GAPS_SHOWN)} more gaps (--json)`);
  if (one.due > 0)
    line(`\n${one.export}: ${plural(one.due, "interval")} due. Next: replayport run ${one.export} --due`);
  if (one.lost > 0) {
    line(`\n${one.export}: ${plural(one.lost, "session")} kept that the source no longer has.`);
  }
  const [first] = one.outdated ?? [];
  const last = one.outdated?.at(-1);
  if (first && last) {
    const range = `--from ${first.start.toISOString()} --to ${last.end.toISOString()}`;
    line(`\n${one.export}: ${plural(one.outdated?.length ?? 0, "interval")} loaded under older rules of the export.`);
    line(`  To load them again under the rules of today: replayport backfill ${one.export} ${range} --force`);
  }
}

async function statusOf(context: Context, definition: ExportDefinition): Promise<Status> {
  const { cli } = context;
  const destination = context.destination(definition);
  const covered = await readCoverage(destination, cli.signal);
  const range = { start: new Date(0), end: new Date("9999-01-01T00:00:00Z") };
  const receipts: Receipt[] = await Array.fromAsync(destination.receipts(range, cli.signal));
  const { model, selection } = definition;
  // The columns of a user's own SELECT are known to ClickHouse only; the ledger alone is asked here.
  const mark = model.kind === "session_replays" ? fingerprint(definition, exportedColumns(selection)) : undefined;
  const sum = (of: (receipt: Receipt) => number): number => receipts.reduce((total, one) => total + of(one), 0);
  return {
    export: definition.name,
    destination: destination.name,
    intervals: covered.length,
    ...ledgerState(definition, covered, cli.now()),
    rows: sum(({ rows, lost = 0 }) => rows + lost),
    lost: sum(({ lost = 0 }) => lost),
    bytes: sum((receipt) => receipt.bytes),
    files: sum(({ files }) => files),
    outdated:
      mark === undefined ? undefined : receipts.filter((one) => one.fingerprint !== mark).map((one) => one.interval),
  };
}
