import type { Command } from "commander";
import type { Receipt } from "../../../destinations/destination.ts";
import { type Audit, lackingOf, readAudit } from "../../audit/receipt.ts";
import { ReplayportError } from "../../errors.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { ledgerState, readCoverage } from "../../export/ledger.ts";
import { silentSince } from "../../export/silence.ts";
import { ALL_TIME, type Interval } from "../../intervals/interval.ts";
import { describeAudit } from "../audit_report.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { SILENT } from "../load_report.ts";
import { explainOutdated, type Outdated, outdatedLoads } from "../outdated.ts";
import { bytes, count, plural, printJson, printLine, printTable, formatDuration, time } from "../output.ts";

interface Status extends Outdated {
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
  /** Since when an export that is usually busy has read no rows. */
  readonly silentSince: Date | undefined;
  /** The last audit; undefined before the first. */
  readonly audit: Audit | undefined;
  /** Why nothing is loaded although something may be due: the clocks differ. */
  readonly clock: string | undefined;
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
  if (one.audit) line(`\n${one.export}: audit of ${time(one.audit.readAt)}: ${describeAudit(one.audit)}`);
  if (one.silentSince) line(`\n${one.export}: no rows since ${time(one.silentSince)}: ${SILENT}`);
  if (one.clock !== undefined) line(`\n${one.export}: ${one.clock}`);
  for (const paragraph of explainOutdated(one.export, one)) line(`\n${one.export}: ${paragraph}`);
}

/** Where the source doesn't answer, the status is that of the ledger, by this machine's clock. */
async function clockOf(context: Context, definition: ExportDefinition): Promise<{ now: Date; clock?: string }> {
  const { cli } = context;
  try {
    return { now: await context.agreedNow(definition, cli.signal) };
  } catch (error) {
    if (!(error instanceof ReplayportError) || error.code !== "source.clock") throw error;
    return { now: cli.now(), clock: `${error.message}. ${error.hint ?? ""}` };
  }
}

async function statusOf(context: Context, definition: ExportDefinition): Promise<Status> {
  const { cli } = context;
  const destination = context.destination(definition);
  const { now, clock } = await clockOf(context, definition);
  const covered = await readCoverage(destination, cli.signal);
  const receipts: Receipt[] = await Array.fromAsync(destination.receipts(ALL_TIME, cli.signal));
  const audit = await readAudit(destination, cli.signal);
  const sum = (of: (receipt: Receipt) => number): number => receipts.reduce((total, one) => total + of(one), 0);
  return {
    export: definition.name,
    destination: destination.name,
    intervals: covered.length,
    ...ledgerState(definition, covered, now, lackingOf(audit)),
    rows: sum(({ rows, lost = 0 }) => rows + lost),
    lost: sum(({ lost = 0 }) => lost),
    bytes: sum((receipt) => receipt.bytes),
    files: sum(({ files }) => files),
    silentSince: silentSince(receipts),
    audit,
    clock,
    ...outdatedLoads(definition, context.config.destinations[definition.destination], receipts),
  };
}
