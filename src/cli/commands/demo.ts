import { writeFile } from "node:fs/promises";
import { delimiter, join, relative } from "node:path";
import { Writable } from "node:stream";
import type { Command } from "commander";
import { type DestinationOptions, isLake } from "../../../destinations/options.ts";
import { loadDestinations } from "../../../destinations/registry.ts";
import { loadConfig } from "../../config/load.ts";
import { DEMO_DATABASE, demoConfig } from "../../demo/demo_config.ts";
import { engineSql } from "../../demo/engine_sql.ts";
import { type DemoFolder, claimFolder, clearFolder } from "../../demo/folder.ts";
import type { SessionPlan } from "../../demo/generate.ts";
import { DEMO_KEY, type IcebergServer, startIcebergServer } from "../../demo/iceberg_server.ts";
import { holds, prove } from "../../demo/proof.ts";
import { createLakeView, LAKE_VIEW, runSampleQueries } from "../../demo/sample_queries.ts";
import { REPLAY_TABLE } from "../../demo/replay_table.ts";
import {
  type Simulation,
  catchUp,
  Clock,
  type Exported,
  LATE_MS,
  letAllArrive,
  exportHourByHour,
  type OnProgress,
} from "../../demo/story.ts";
import { Arrivals } from "../../demo/arrivals.ts";
import { newAttempt } from "../../export/attempt.ts";
import { withoutClock } from "../../export/clock.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { SESSION_REPLAYS_KEY } from "../../models/session_replays.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { openClickHouse } from "../../clickhouse/clickhouse.ts";
import { startEmbedded } from "../../clickhouse_server/start.ts";
import { VERSION } from "../../version.ts";
import { wholeNumber } from "../arguments.ts";
import { loggerFor } from "../context.ts";
import { DemoReport } from "../demo_report.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { lakeSql } from "./sql.ts";
import { count, plural, printJson } from "../output.ts";

interface DemoOptions extends GlobalOptions {
  readonly sessions: number;
  readonly days: number;
  readonly dir: string;
  readonly iceberg?: boolean;
}

const DAY_MS = 86_400_000;
/** Fixed, so that every demo is the same. The last of two days begins a month, and so a partition. */
const LAST_MIDNIGHT = Date.UTC(2026, 9, 2);
const SEED = 20_261_001;
const REQUEST_TIMEOUT_MS = 600_000;

export function addDemo(program: Command, cli: CliEnvironment): void {
  program
    .command("demo")
    .description("make up sessions in an embedded ClickHouse, export them to a local lake, and verify the result")
    .option("--sessions <n>", "how many sessions to make up", wholeNumber, 200_000)
    .option("--days <n>", "days to spread them over", wholeNumber, 2)
    .option("--dir <folder>", "where to keep its files; the next demo replaces them", "demo")
    .option("--iceberg", "export to an Iceberg table; needs SeaweedFS (`weed`) on the PATH as the catalog")
    .option("--json", "print only the results, as JSON")
    .addHelpText("after", "\nExample:\n  replayport demo --sessions 20000 --dir /tmp/replayport-demo")
    .action(async (_options, command: Command) => {
      await demo(cli, command.optsWithGlobals());
    });
}

async function demo(cli: CliEnvironment, options: DemoOptions): Promise<void> {
  const { signal } = cli;
  const began = performance.now();
  const folder = await claimFolder(options.dir);
  const until = new Date(LAST_MIDNIGHT);
  const from = new Date(LAST_MIDNIGHT - options.days * DAY_MS);
  const plan: SessionPlan = { sessions: options.sessions, from, until, seed: SEED };
  const report = new DemoReport(cli, options.json === true ? silence() : cli.stdout);
  report.title(
    `Replayport's demo: ${plural(options.sessions, "session")} over ${plural(options.days, "day")}, in ${shown(folder.path)}`,
  );

  const made = report.step("The source: PostHog's table of replays in an embedded ClickHouse");
  await using engine = await startEmbedded({ path: folder.engine, outside: true, signal });
  await clearFolder(folder);
  const sql = engineSql(engine.url, engine.credentials);
  const arrivals = new Arrivals(sql, DEMO_DATABASE);
  const facts = await arrivals.create(plan, signal);
  made(`${plural(facts.rows, "partial row")} of ${plural(facts.sessions, "session")} will arrive:`);
  report.line(
    `   ${count(facts.mobile)} sessions are mobile, ${count(facts.acrossMidnight)} cross midnight; a day later`,
  );
  report.line(
    `   ${count(facts.tagged)} get tags, ${count(facts.deleted)} are deleted; ${count(facts.late)} rows arrive hours late`,
  );

  const clock = new Clock(from);
  await using server =
    options.iceberg === true ? await startIcebergServer(folder.catalog, programs(cli), signal) : undefined;
  const { definition, lake } = await writeConfig(folder, from, new Date(until.getTime() + LATE_MS), cli, server);
  const engineSource = await openClickHouse({
    url: engine.url,
    ...engine.credentials,
    database: DEMO_DATABASE,
    table: REPLAY_TABLE,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  await using source = withoutClock(engineSource);
  const log = loggerFor(cli, options);
  const openDestination = await loadDestinations([lake.type]);
  await using destination = openDestination(
    lake,
    { export: definition.name, path: definition.path },
    { now: clock.now, version: VERSION, onWarning: (message, detail) => log.warn(detail, message) },
  );
  const { stage: stageRoot } = folder;
  const simulation: Simulation = { clock, arrivals, definition, source, destination, stageRoot, newAttempt };

  const lived = report.step("Hour by hour, as if live (the clock is simulated)");
  const live = await withProgress(report, (tick) => exportHourByHour(simulation, plan, tick, signal));
  lived(report.exported(live));
  const parts = await arrivals.parts(signal);
  report.line(`   the table now has ${plural(parts.parts, "part")}, ${parts.merged} of them merged`);

  const arrived = report.step("Three days later: late rows, tags and deletions arrived while the worker was down");
  await letAllArrive(simulation, plan, signal);
  const shape = { columns: exportedColumns(definition.selection), key: SESSION_REPLAYS_KEY };
  const select = isLake(lake) ? lakeSql(definition, lake, shape, "clickhouse") : icebergSelect(server);
  await createLakeView(sql, select, signal);
  const table = `${DEMO_DATABASE}.${REPLAY_TABLE}`;
  const behind = await prove(sql, table, LAKE_VIEW, signal);
  report.line(
    `   the lake is behind: ${count(behind.missing)} sessions missing, ${count(behind.different)} out of date`,
  );
  const caughtUp = await withProgress(report, (tick) => catchUp(simulation, tick, signal));
  arrived(report.exported(caughtUp));

  const asked = report.step("Queries on the lake, in SQL over its Parquet files");
  const answers = await runSampleQueries(sql, LAKE_VIEW, signal);
  asked("three SELECTs, each over all files");
  report.answers(answers);

  const proved = report.step("Verification: the lake's current rows against the source's aggregates");
  const proof = await prove(sql, table, LAKE_VIEW, signal);
  proved("one GROUP BY over the whole table, FULL OUTER JOIN the lake");
  report.proof(proof);
  await arrivals.end(signal);

  const seconds = (performance.now() - began) / 1000;
  const [lakeFolder, config] = [shown(folder.lake), shown(folder.config)];
  if (holds(proof)) report.next({ seconds, lake: lakeFolder, config, catalog: server?.command });
  else report.line(`   This is a bug. Please report it, with the files in ${shown(folder.path)}.`);
  if (options.json === true) {
    const results = { source: facts, live, behind, caughtUp, answers, proof };
    printJson(cli.stdout, { folder: folder.path, seconds, ...results });
  }
  if (!holds(proof)) cli.setExitCode(EXIT.failed);
}

async function withProgress(report: DemoReport, work: (tick: OnProgress) => Promise<Exported>): Promise<Exported> {
  using bar = report.progress("exporting");
  return await work(bar.tick);
}

async function writeConfig(
  folder: DemoFolder,
  start: Date,
  end: Date,
  cli: CliEnvironment,
  server: IcebergServer | undefined,
): Promise<{ readonly definition: ExportDefinition; readonly lake: DestinationOptions }> {
  await writeFile(folder.config, demoConfig(folder, start, end, server));
  const { exports, destinations } = await loadConfig(folder.config, cli.env);
  const [definition] = exports;
  const lake = definition && destinations[definition.destination];
  if (!lake) throw new Error(`the demo's own config has no export: ${folder.config}`);
  return { definition, lake };
}

/** The PATH, and where the tests install SeaweedFS in a checkout. */
function programs({ env }: CliEnvironment): string {
  return [env["PATH"] ?? "", join(process.cwd(), ".tools", "seaweedfs", "bin")].join(delimiter);
}

/** ClickHouse reads the table by its metadata, as it's there now. */
function icebergSelect(server: IcebergServer | undefined): string {
  return `SELECT * FROM icebergS3('${server?.endpoint}/${server?.bucket}/demo/replays/', '${DEMO_KEY}', '${DEMO_KEY}')`;
}

function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : `./${near}`;
}

function silence(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
