/** Puts the commands together, with the options and help that they share. */
import { Command } from "commander";
import { VERSION } from "../version.ts";
import { type CliEnvironment, DEFAULT_FILE } from "./environment.ts";

const EXIT_CODES = `
Exit codes:
  0    success, even if nothing was due
  1    a batch or a check failed; the log says which, and what to do
  2    the command line or the config is wrong; nothing was tried
  130  stopped by Ctrl-C (143: by SIGTERM); anything not loaded is still due`;

type Add = (program: Command, cli: CliEnvironment) => void;

/** Each is loaded only if the command line names it. In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  init: async () => (await import("./commands/init.ts")).addInit,
  check: async () => (await import("./commands/check.ts")).addCheck,
  run: async () => (await import("./commands/run.ts")).addRun,
  backfill: async () => (await import("./commands/backfill.ts")).addBackfill,
  status: async () => (await import("./commands/status.ts")).addStatus,
  runs: async () => (await import("./commands/runs.ts")).addRuns,
  audit: async () => (await import("./commands/audit.ts")).addAudit,
  sql: async () => (await import("./commands/sql.ts")).addSql,
  gc: async () => (await import("./commands/gc.ts")).addGc,
  adopt: async () => (await import("./commands/adopt.ts")).addAdopt,
  demo: async () => (await import("./commands/demo.ts")).addDemo,
  feed: async () => (await import("./commands/feed.ts")).addFeed,
  clickhouse: async () => (await import("./commands/clickhouse.ts")).addClickhouse,
  schema: async () => (await import("./commands/schema.ts")).addSchema,
  completion: async () => (await import("./commands/completion.ts")).addCompletion,
  serve: async () => (await import("./commands/fleet.ts")).addServe,
  scheduler: async () => (await import("./commands/fleet.ts")).addScheduler,
  worker: async () => (await import("./commands/fleet.ts")).addWorker,
  backfills: async () => (await import("./commands/backfills.ts")).addBackfills,
  pause: async () => (await import("./commands/pause.ts")).addPause,
  resume: async () => (await import("./commands/pause.ts")).addResume,
  retry: async () => (await import("./commands/backfills.ts")).addRetry,
  cancel: async () => (await import("./commands/backfills.ts")).addCancel,
};

const ABOUT_ALL: ReadonlySet<string> = new Set(["-h", "--help", "help", "completion"]);

/**
 * @param args the command line, from which it takes the commands to load: each that it names, as an option's value too. All of
 * them where it names none, or begins with an option that is about all
 */
export async function createProgram(cli: CliEnvironment, args: readonly string[] = []): Promise<Command> {
  const program = new Command("replayport")
    .description("Exports PostHog session replay metadata from ClickHouse to a lake or a warehouse.")
    .version(VERSION)
    .option("-c, --config <file>", "the config file", DEFAULT_FILE)
    .option("-q, --quiet", "log errors only")
    .option("-v, --verbose", "log every step")
    .option("--stage-dir <folder>", "where to keep files until they are loaded (or REPLAYPORT_STAGE_DIR)")
    .addHelpText("after", EXIT_CODES)
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError("(add --help for usage)")
    .configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      writeErr: (text) => void cli.stderr.write(text),
    })
    .exitOverride();
  const named = Object.keys(COMMANDS).filter((name) => args.includes(name));
  const all = named.length === 0 || ABOUT_ALL.has(args[0] ?? "");
  for (const name of all ? Object.keys(COMMANDS) : named) (await COMMANDS[name]?.())?.(program, cli);
  return program;
}
