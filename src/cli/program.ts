/** Puts the commands together, with the options and help that they share. */
import { Command } from "commander";
import { DEFAULT_FILE } from "../config/load.ts";
import { VERSION } from "../version.ts";
import { addAdopt } from "./commands/adopt.ts";
import { addAudit } from "./commands/audit.ts";
import { addBackfill } from "./commands/backfill.ts";
import { addBackfills, addCancel, addRetry } from "./commands/backfills.ts";
import { addCheck } from "./commands/check.ts";
import { addClickhouse } from "./commands/clickhouse.ts";
import { addDemo } from "./commands/demo.ts";
import { addFeed } from "./commands/feed.ts";
import { addScheduler, addServe, addWorker } from "./commands/fleet.ts";
import { addGc } from "./commands/gc.ts";
import { addInit } from "./commands/init.ts";
import { addPause, addResume } from "./commands/pause.ts";
import { addRun } from "./commands/run.ts";
import { addRuns } from "./commands/runs.ts";
import { addSql } from "./commands/sql.ts";
import { addStatus } from "./commands/status.ts";
import type { CliEnvironment } from "./environment.ts";

const EXIT_CODES = `
Exit codes:
  0    success, even if nothing was due
  1    a batch or a check failed; the log says which, and what to do
  2    the command line or the config is wrong; nothing was tried
  130  stopped by Ctrl-C (143: by SIGTERM); anything not loaded is still due`;

export function createProgram(cli: CliEnvironment): Command {
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
  const local = [
    addInit,
    addCheck,
    addRun,
    addBackfill,
    addStatus,
    addRuns,
    addAudit,
    addSql,
    addGc,
    addAdopt,
    addDemo,
    addFeed,
    addClickhouse,
  ];
  const fleet = [addServe, addScheduler, addWorker, addBackfills, addPause, addResume, addRetry, addCancel];
  for (const add of [...local, ...fleet]) add(program, cli);
  return program;
}
