import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { durationOption } from "../arguments.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { Interrupted } from "../interrupt.ts";

interface StatusOptions extends GlobalOptions {
  readonly failing?: boolean;
  /** True: without a duration. */
  readonly watch?: number | true;
  readonly timeout: number;
}

const WATCH_MS = 5_000;
const TIMEOUT_MS = 20_000;
/** Clears the screen and puts the cursor into its corner. */
const CLEAR = "\u001B[H\u001B[2J\u001B[3J";

export function addStatus(program: Command, cli: CliEnvironment): void {
  program
    .command("status")
    .description("show what is loaded, what is missing and how far behind each export is, worst first")
    .argument("[export]", "one export (default: all)")
    .option("--failing", "only the exports that need attention")
    .option("--watch [interval]", "refresh until Ctrl-C (every 5s unless you say how often)", durationOption)
    .addOption(
      new Option("--timeout <duration>", "how long a destination may take to answer")
        .argParser(durationOption)
        .default(TIMEOUT_MS, "20s"),
    )
    .option("--json", "print JSON: the API's exports, and more from the ledger")
    .addHelpText(
      "after",
      "\nIt reads the receipts in each destination and, if the config has a fleet, what the fleet is doing. An export that" +
        "\ncan't be read gets a row with its error; the exit code is then 1.\n" +
        "\nExamples:\n  replayport status --failing\n  replayport status --watch 10s" +
        "\n  replayport status --json | jq '.[] | select(.lagSeconds > 7200)'",
    )
    .action(async (name: string | undefined, _options, command: Command) => {
      await status(cli, name, command.optsWithGlobals());
    });
}

async function status(cli: CliEnvironment, name: string | undefined, options: StatusOptions): Promise<void> {
  if (options.watch === undefined) {
    cli.setExitCode((await show(cli, name, options, false)) ? EXIT.ok : EXIT.failed);
    return;
  }
  const pauseMs = options.watch === true ? WATCH_MS : options.watch;
  try {
    for (;;) {
      await show(cli, name, options, true);
      await sleep(pauseMs, undefined, { signal: cli.signal });
    }
  } catch (error) {
    const { reason } = cli.signal;
    // Ctrl-C is how a watch ends.
    if (!(reason instanceof Interrupted)) throw error;
    cli.setExitCode(reason.exitCode);
  }
}

/** @returns whether every export could be read */
async function show(
  cli: CliEnvironment,
  name: string | undefined,
  options: StatusOptions,
  watching: boolean,
): Promise<boolean> {
  // Loaded here: of a command's time, most goes into loading what it needs, and --help needs nothing.
  const { Context } = await import("../context.ts");
  const { printJson, printLine, widthOf } = await import("../output.ts");
  const { needsAttention, statusJson, worstFirst } = await import("../status/export_status.ts");
  const { printStatus } = await import("../status/print_status.ts");
  const { readStatuses } = await import("../status/read_status.ts");
  const { toJson } = await import("../../web/json.ts");
  // Opened each time, so that a watch sees what changed in the config.
  await using context = await Context.open(cli, options);
  const read = await readStatuses(context, context.exports(name), { timeoutMs: options.timeout }, cli.signal);
  const rows = worstFirst(read);
  const failing = options.failing === true;
  if (options.json === true) {
    const shown = (failing ? rows.filter(needsAttention) : rows).map(statusJson);
    if (watching) printLine(cli.stdout, JSON.stringify(toJson(shown)));
    else printJson(cli.stdout, shown);
  } else {
    if (watching && widthOf(cli.stdout) !== undefined) cli.stdout.write(CLEAR);
    if (watching) printLine(cli.stdout, `${cli.now().toISOString().slice(0, 19)}Z\n`);
    printStatus(cli, rows, { failing, fleet: context.config.hasFleet });
    if (watching) printLine(cli.stdout);
  }
  return rows.every(({ ledgerError }) => ledgerError === undefined);
}
