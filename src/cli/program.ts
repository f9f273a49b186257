/** The command line: what there is, what each is called, and where its help comes from. */
import { Command } from "commander";
import { VERSION } from "../version.ts";
import { addBackfill } from "./commands/backfill.ts";
import { addBackfills, addCancel, addRetry } from "./commands/backfills.ts";
import { addCheck } from "./commands/check.ts";
import { addClickhouse } from "./commands/clickhouse.ts";
import { addDemo } from "./commands/demo.ts";
import { addFeed } from "./commands/feed.ts";
import { addInit } from "./commands/init.ts";
import { addPause, addResume } from "./commands/pause.ts";
import { addRun } from "./commands/run.ts";
import { addScheduler } from "./commands/scheduler.ts";
import { addServe } from "./commands/serve.ts";
import { addSql } from "./commands/sql.ts";
import { addStatus } from "./commands/status.ts";
import { addWorker } from "./commands/worker.ts";
import type { CliEnvironment } from "./environment.ts";

const EXIT_CODES = `
Exit codes:
  0    done, also when nothing was due
  1    a batch or a check failed; the log says which, and what to do
  2    the command line or the config is wrong; nothing was tried
  130  stopped by Ctrl-C; what was not loaded is due again (143: by SIGTERM)`;

export function createProgram(cli: CliEnvironment): Command {
  const program = new Command("replayport")
    .description("Exports PostHog session replay metadata from ClickHouse to a lake or a warehouse.")
    .version(VERSION)
    .option("-c, --config <file>", "the config", "schedules.yaml")
    .option("-q, --quiet", "log errors only")
    .option("-v, --verbose", "log every step")
    .option("--stage-dir <folder>", "where files lie before they are loaded (or REPLAYPORT_STAGE_DIR)")
    .addHelpText("after", EXIT_CODES)
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError("(--help shows what there is)")
    .configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      writeErr: (text) => void cli.stderr.write(text),
    })
    .exitOverride();
  const fleet = [addServe, addScheduler, addWorker, addBackfills, addPause, addResume, addRetry, addCancel];
  for (const add of [
    addInit,
    addCheck,
    addRun,
    addBackfill,
    addStatus,
    addSql,
    addDemo,
    addFeed,
    addClickhouse,
    ...fleet,
  ])
    add(program, cli);
  return program;
}
