/** The table that all figures are taken on: a year of sessions in partial rows that are not merged. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineSql } from "../src/demo/engine_sql.ts";
import { insertSessions } from "../src/demo/generate.ts";
import { createReplayTables } from "../src/demo/replay_table.ts";
import { NO_PASSWORD } from "../src/clickhouse_server/credentials.ts";
import { type Embedded, startEmbedded } from "../src/clickhouse_server/start.ts";

const DATABASE = "posthog";
export const FROM = new Date("2025-10-01T00:00:00Z");
const LAST_SESSION = new Date("2026-10-01T00:00:00Z");
/** Tags and deletions come up to two days after their session. */
export const UNTIL = new Date("2026-10-04T00:00:00Z");

export interface Bench extends AsyncDisposable {
  readonly engine: Embedded;
  readonly version: string;
  readonly root: string;
  readonly config: string;
  readonly table: { readonly sessions: number; readonly rows: number; readonly parts: number };
}

/**
 * @param rowsPerFile undefined: the config's default
 * @param begin when the sessions begin; a year by default
 */
export async function setUp(
  sessions: number,
  rowsPerFile: number | undefined,
  signal: AbortSignal,
  begin: { readonly from: Date; readonly until: Date } = { from: FROM, until: LAST_SESSION },
): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), "replayport-bench-"));
  try {
    const engine = await startEmbedded({ path: join(root, "engine"), credentials: NO_PASSWORD, outside: true, signal });
    const sql = engineSql(engine.url, engine.credentials);
    const table = `${DATABASE}.session_replay_events`;
    // Else the figures would depend on how far merges have come.
    const statements = [...createReplayTables(DATABASE), `SYSTEM STOP MERGES ${table}`];
    statements.push(...insertSessions({ sessions, ...begin, seed: 1 }, DATABASE));
    for (const statement of statements) await sql.run(statement, signal);
    const [facts] = await sql.rows<Bench["table"] & { version: string }>(
      `SELECT version() AS version, uniqExact(session_id) AS sessions, count() AS rows,
         (SELECT count() FROM system.parts WHERE active AND database = '${DATABASE}') AS parts FROM ${table}`,
      signal,
    );
    const config = join(root, "schedules.yaml");
    await writeFile(config, configFor(engine.url, rowsPerFile));
    await mkdir(join(root, "out"));
    return {
      engine,
      root,
      config,
      version: facts?.version ?? "",
      table: facts ?? { sessions: 0, rows: 0, parts: 0 },
      [Symbol.asyncDispose]: async () => {
        await engine[Symbol.asyncDispose]();
        await rm(root, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

/** All defaults; and an export whose folders are months, so that a batch may hold more than a day. */
function configFor(url: string, rowsPerFile: number | undefined): string {
  const replays = `
    model: session_replays
    team_id: 1
    destination: lake
    schedule: "@hourly"
    start: ${FROM.toISOString().slice(0, 10)}${rowsPerFile === undefined ? "" : `\n    rows_per_file: ${rowsPerFile}`}`;
  return `source:
  clickhouse: { url: "${url}", database: ${DATABASE} }
destinations:
  lake: { type: file, path: "\${BENCH_LAKE:-./unused}" }
exports:
  replays:${replays}
  replays_by_month:${replays}
    path: "{export}/month={year}-{month}"
`;
}
