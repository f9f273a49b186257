import { type Command, Option } from "commander";
import type { ExportDefinition } from "../../export/definition.ts";
import type { Run, RunsQuery, RunState } from "../../fleet/fleet.ts";
import { ALL_TIME } from "../../intervals/interval.ts";
import { usageError, wholeNumber } from "../arguments.ts";
import { isInvalidConfig } from "../../config/missing.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { errorFields } from "../log.ts";
import {
  bytes,
  formatDuration,
  NONE,
  painter,
  printJson,
  printLine,
  printTable,
  type Style,
  time,
  widthOf,
  wrap,
} from "../output.ts";
import { loadedRun } from "../run_of.ts";

interface RunsOptions extends GlobalOptions {
  readonly limit: number;
  readonly state?: readonly RunState[];
  readonly backfill?: string;
}

const STYLES: Readonly<Record<RunState, Style>> = {
  queued: "dim",
  running: "cyan",
  retrying: "yellow",
  loaded: "green",
  covered: "green",
  failed: ["bold", "red"],
  cancelled: "dim",
};
/** As in the API. */
const MOST_RUNS = 500;

export function addRuns(program: Command, cli: CliEnvironment): void {
  program
    .command("runs")
    .description("list runs, newest first: the fleet's, or without a fleet, the loads in the receipts")
    .argument("[export]", "one export (default: all)")
    .option("--limit <n>", `how many to list, up to ${MOST_RUNS}`, wholeNumber, 20)
    .addOption(new Option("--state <state...>", "only runs in these states").choices(Object.keys(STYLES)))
    .option("--backfill <id>", "only runs of this backfill")
    .option("--json", "print JSON: the API's runs")
    .addHelpText(
      "after",
      "\nExamples:\n  replayport runs replays --limit 50\n  replayport runs --state failed retrying",
    )
    .action(async (name: string | undefined, _options, command: Command) => {
      await runs(cli, name, command.optsWithGlobals());
    });
}

async function runs(cli: CliEnvironment, name: string | undefined, options: RunsOptions): Promise<void> {
  if (options.limit > MOST_RUNS) throw usageError(`--limit is at most ${MOST_RUNS}`, "Narrow it down with --state.");
  await using context = await Context.open(cli, options);
  const definitions = context.exports(name);
  const found = context.config.redis
    ? await ofFleet(context, definitions, queryOf(name, options))
    : await ofReceipts(context, definitions, options);
  if (options.json === true) printJson(cli.stdout, found);
  else if (found.length === 0) printLine(cli.stdout, "no runs");
  else print(cli, found);
}

const queryOf = (name: string | undefined, { limit, state, backfill }: RunsOptions): RunsQuery => ({
  limit,
  ...(name === undefined ? {} : { export: name }),
  ...(state === undefined ? {} : { states: state }),
  ...(backfill === undefined ? {} : { backfill }),
});

async function ofFleet(
  context: Context,
  definitions: readonly ExportDefinition[],
  query: RunsQuery,
): Promise<readonly Run[]> {
  const { signal } = context.cli;
  // Loaded here, so that nobody without a fleet waits for the queue's packages.
  const { connectTo } = await import("../fleet_host.ts");
  await using fleet = await connectTo(context, signal, definitions);
  return await fleet.runs(query, signal);
}

async function ofReceipts(
  context: Context,
  definitions: readonly ExportDefinition[],
  { limit, state, backfill }: RunsOptions,
): Promise<Run[]> {
  if (backfill !== undefined) throw usageError("only a fleet has backfills with ids", "Leave --backfill out.");
  if (state !== undefined && !state.includes("loaded")) return [];
  const { signal } = context.cli;
  const all = await Promise.all(
    definitions.map(async (one) => {
      try {
        return await Array.fromAsync(context.destination(one, "read").receipts(ALL_TIME, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (isInvalidConfig(error)) throw error;
        context.log.error({ export: one.name, ...errorFields(error) }, "can't read the receipts");
        context.cli.setExitCode(EXIT.failed);
        return [];
      }
    }),
  );
  const newest = all
    .flat()
    .sort(
      (a, b) =>
        b.committedAt.getTime() - a.committedAt.getTime() || b.interval.start.getTime() - a.interval.start.getTime(),
    );
  return newest.slice(0, limit).map(loadedRun);
}

function print({ stdout: out, env, now }: CliEnvironment, found: readonly Run[]): void {
  const paint = painter(out, env);
  const width = widthOf(out);
  const notes = new Map<number, string>();
  for (const [index, { error, state }] of found.entries()) {
    if (error === undefined) continue;
    const lines = [error.message, ...(error.hint === undefined ? [] : [`what to do: ${error.hint}`])];
    const style = state === "failed" ? "red" : "yellow";
    const wrapped = lines.flatMap((line) => wrap(line, width, "  ").split("\n"));
    notes.set(index, wrapped.map((line) => paint(style, line)).join("\n"));
  }
  printTable(
    out,
    ["export", "start (UTC)", "state", "rows", "took", "ended (UTC)", "end (UTC)", "bytes", "attempt", "backfill"],
    found.map((one) => [
      one.export,
      time(one.interval.start),
      { text: one.stage === undefined ? one.state : `${one.state}: ${one.stage}`, style: STYLES[one.state] },
      one.rows,
      durationOf(one, now()),
      one.finishedAt ? time(one.finishedAt) : NONE,
      time(one.interval.end),
      bytes(one.bytes),
      one.attempt,
      one.backfill ?? NONE,
    ]),
    { paint, width, notes },
  );
}

function durationOf({ startedAt, finishedAt, state }: Run, now: Date): string {
  const end = finishedAt ?? (state === "running" ? now : undefined);
  if (startedAt === undefined || end === undefined) return NONE;
  return formatDuration(Math.max(0, (end.getTime() - startedAt.getTime()) / 1000));
}
