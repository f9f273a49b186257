import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { loadConfig } from "../../config/load.ts";
import { environmentSecrets } from "../../config/secrets.ts";
import { engineSql } from "../../demo/engine_sql.ts";
import { openFeed } from "../../demo/feed.ts";
import { wholeNumber, usageError } from "../arguments.ts";
import { loggerFor } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";

interface FeedOptions extends GlobalOptions {
  readonly sessions: number;
  readonly days: number;
}

const STEP_MS = 5_000;

export function addFeed(program: Command, cli: CliEnvironment): void {
  program
    .command("feed")
    .description(
      "for trying things out: create PostHog's table in the config's ClickHouse and keep inserting demo sessions",
    )
    .option("--sessions <n>", "sessions a day", wholeNumber, 50_000)
    .option("--days <n>", "days before today to fill with sessions", wholeNumber, 2)
    .addHelpText(
      "after",
      "\nIt only writes to a table that it created. compose.yaml runs it.\n\nExample:\n  replayport feed --sessions 5000",
    )
    .action(async (_options, command: Command) => {
      await feed(cli, command.optsWithGlobals());
    });
}

async function feed(cli: CliEnvironment, options: FeedOptions): Promise<void> {
  const { source, secrets } = await loadConfig(options.config, cli.env, "used");
  cli.redactor.add([...environmentSecrets(cli.env), ...secrets]);
  if (source.kind !== "clickhouse") {
    throw usageError(
      "the config's source is not a ClickHouse server",
      "Set source.clickhouse.url. To try Replayport without a server, use: replayport demo",
    );
  }
  const { url, username, password, database, table } = source;
  const log = loggerFor(cli, options);
  const plan = { database, table, sessionsPerDay: options.sessions, historyDays: options.days };
  const arrivals = await openFeed(engineSql(url, { username, password }), plan, cli.signal);
  log.info(`sessions arrive in ${database}.${table}`);
  for (;;) {
    const rows = await arrivals.arrive(cli.now(), cli.signal);
    if (rows > 0) log.info({ rows }, "arrived");
    await sleep(STEP_MS, undefined, { signal: cli.signal }).catch(() => undefined);
    cli.signal.throwIfAborted();
  }
}
