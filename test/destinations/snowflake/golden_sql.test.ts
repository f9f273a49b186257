/**
 * Every statement that Snowflake is sent, literally and in its order: golden/snowflake.sql. Loads are carried out on sessions
 * that write down what they are told. An emulator takes more than Snowflake does, so this file is what a reviewer holds
 * against Snowflake's documentation; README.md says which page for which statement. `UPDATE_GOLDEN=1` writes it anew.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Batch, Destination, StagedFile } from "../../../destinations/destination.ts";
import { stagedFile } from "../../../destinations/files/staged_file.ts";
import { openSnowflakeOn, type SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import { LOCK_COLUMNS } from "../../../destinations/snowflake/ddl.ts";
import { PROBE_ROW } from "../../../destinations/warehouse/probe.ts";
import { configureSession } from "../../../destinations/snowflake/session_sql.ts";
import type { OpenSession, Row, Statement } from "../../../destinations/snowflake/statement.ts";
import { RECEIPT_COLUMNS } from "../../../destinations/warehouse/rows.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { interval } from "../../../src/intervals/interval.ts";
import type { Column } from "../../../src/models/column.ts";
import { exportedColumns } from "../../../src/models/session_replays_query.ts";
import { REPLAY_COLUMNS } from "../replay_batches.ts";

const FILE = join(import.meta.dirname, "golden", "snowflake.sql");
const SIGNAL = AbortSignal.timeout(60_000);
const FILES = 2;
const ROWS = 2;

const OPTIONS: SnowflakeOptions = {
  type: "snowflake",
  account: "acme-analytics",
  username: "REPLAYPORT",
  auth: { type: "password", password: "none" },
  database: "analytics",
  schema: "posthog",
  table: "session_replays",
};

interface Setting {
  /** What DESCRIBE says of the target; undefined where there is none. */
  readonly existing?: readonly Column[] | undefined;
  /** Folders of other attempts that are found in the stage. */
  readonly others?: readonly string[];
  /** What is copied and counted. Default: what `batchOf` stages. */
  readonly rows?: number;
  /** The statement at which Snowflake refuses. */
  readonly refuses?: RegExp;
}

/** Sessions that write down what they are told, and answer what a load has to hear. */
function recorder({ existing, others = [], rows = FILES * ROWS, refuses }: Setting): {
  open: OpenSession;
  told: string[];
} {
  const told: string[] = [];
  let attempt: string | undefined;
  let commits = 0;
  const answer = ({ sql }: Statement): readonly Row[] => {
    if (sql.startsWith("DESCRIBE")) {
      const described = sql.endsWith('"SESSION_REPLAYS"')
        ? existing
        : existing && (sql.includes("_RECEIPTS") ? RECEIPT_COLUMNS : LOCK_COLUMNS);
      if (!described || sql.includes("_CHECK_"))
        throw new ReplayportError("no", { code: "snowflake.missing", remedy: "give-up" });
      return described.map(({ name, type }) => ({ name: name.toUpperCase(), type: DESCRIBED[type] }));
    }
    if (sql.startsWith("INSERT") && sql.includes("_RECEIPTS")) attempt = /'([0-9a-z]{12})'/.exec(sql)?.[1];
    if (sql.includes('AS "LOCKS"'))
      return [
        {
          RECEIPTS: attempt === undefined ? 0 : 1,
          ATTEMPT: attempt,
          LOCKS: 0,
          COMMIT_COUNT: commits,
          READ_US: 0,
          TRANSACTION: "1790820000000",
        },
      ];
    if (sql.startsWith("PUT")) return [{ status: "UPLOADED" }];
    if (sql.startsWith("COPY")) return [{ rows_loaded: rows }];
    if (sql.startsWith('SELECT COUNT(*) AS "ROWS"')) {
      const bounds = {
        FIRST_START: 1_790_812_800_123_456,
        LAST_END: 1_790_820_000_654_321,
        FIRST_EXPORT: 1_790_816_700_000_000,
      };
      return [{ ROWS: rows, ...bounds }];
    }
    if (sql.startsWith("UPDATE") && !sql.includes("WHERE FALSE")) commits += 1;
    if (sql.startsWith("UPDATE")) return [{ "number of rows updated": 1 }];
    if (sql.startsWith("LIST")) return others.map((name) => ({ name }));
    if (sql.includes("CURRENT_WAREHOUSE")) return [{ ROLE: "REPLAYPORT", WAREHOUSE: "LOADING" }];
    if (sql.startsWith('SELECT "SESSION_ID"')) {
      return [Object.fromEntries(Object.entries(PROBE_ROW).map(([name, value]) => [name.toUpperCase(), value]))];
    }
    return [];
  };
  return {
    told,
    open: (purpose) => {
      told.push(`-- a session for: ${JSON.stringify(purpose)}`);
      return Promise.resolve({
        execute(statement) {
          const { sql, doing, grants } = statement;
          // That the role may use database and schema goes without saying.
          const needs = grants.filter(
            (grant) => !grant.startsWith("USAGE ON DATABASE") && !grant.startsWith("USAGE ON SCHEMA"),
          );
          told.push(`-- ${doing}${needs.length === 0 ? "" : `; needs ${needs.join(", ")}`}\n${sql};`);
          if (refuses?.test(sql) === true)
            throw new ReplayportError("no", { code: "snowflake.quota", remedy: "retry" });
          return Promise.resolve().then(() => answer(statement));
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  };
}

const isPut = (told: string): boolean => told.includes("\nPUT ");

const DESCRIBED: Readonly<Record<Column["type"], string>> = {
  string: "VARCHAR(16777216)",
  int64: "NUMBER(38,0)",
  float64: "FLOAT",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP_NTZ(6)",
  "string[]": "ARRAY",
  "timestamp[]": "ARRAY",
};

const REPLAYS = exportedColumns({
  where: [],
  rules: {
    include: ["block_first_timestamps", "block_last_timestamps", "block_urls", "blocks_aligned"],
    exclude: [],
    hash: [],
    stripQuery: [],
  },
});

/** What a variation shows: a key, the times that prune, a list that a deletion empties, and what decides between two rows. */
const FEW = new Set(["session_id", "start_time", "end_time", "all_urls", "is_deleted", "_version", "_exported_at"]);
const COLUMNS = REPLAY_COLUMNS.filter(({ name }) => FEW.has(name));

suite("golden: Snowflake", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-golden-"));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  async function batchOf(more: Partial<Batch> = {}, files = FILES): Promise<Batch> {
    const extension = more.extension ?? ".parquet";
    const staged: StagedFile[] = [];
    for (let index = 0; index < files; index += 1) {
      const name = `k3v9x0q1m2zt.${index}${extension}`;
      const path = join(folder, name);
      // Not the path: its length, and so the receipt's bytes, would depend on the temporary folder.
      await writeFile(path, name);
      staged.push(await stagedFile(path, { index, rows: ROWS }));
    }
    return {
      id: "replays/20261001T000000Z_20261001T010000Z",
      export: "replays",
      interval: interval("2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z"),
      attempt: "k3v9x0q1m2zt",
      format: "parquet",
      extension,
      columns: COLUMNS,
      key: ["session_id"],
      fingerprint: "0123456789abcdef",
      readAt: new Date("2026-10-01T01:05:00.123Z"),
      sourceVersion: "26.7.1.1",
      sourceColumns: ["team_id", "session_id"],
      // oxlint-disable-next-line typescript/require-await
      files: (async function* inTurn() {
        yield* staged;
      })(),
      ...more,
    };
  }

  async function told(
    setting: Setting,
    options: Partial<SnowflakeOptions>,
    act: (destination: Destination) => Promise<unknown>,
  ): Promise<string> {
    const sessions = recorder(setting);
    const deps = {
      now: () => new Date("2026-10-01T02:00:00Z"),
      version: "1.2.3",
      onWarning: (message: string, detail: object) => {
        throw new Error(message, { cause: detail });
      },
    };
    await act(openSnowflakeOn(sessions.open, { ...OPTIONS, ...options }, { export: "replays" }, deps));
    // Files are uploaded side by side, in whatever order.
    const puts = sessions.told.filter(isPut).sort();
    const inOrder = sessions.told.map((one) => (isPut(one) ? (puts.shift() ?? one) : one));
    const text = inOrder.join("\n").replaceAll(folder, "/stage");
    // A check names its tables and files by chance.
    const chance = /_REPLAYPORT_CHECK_([0-9A-F]{12})/.exec(text)?.[1];
    if (chance === undefined) return text;
    return text
      .replaceAll(chance, "C0FFEEC0FFEE")
      .replaceAll(chance.toLowerCase(), "c0ffeec0ffee")
      .replaceAll(/file:\/\/[^']*replayport-check-\w+/g, "file:///stage")
      .replaceAll(/@~\/replayport\/[0-9a-f]{16}/g, `@~/replayport/${"0".repeat(16)}`);
  }

  const loading =
    (more: Partial<Batch> = {}, files = FILES) =>
    async (destination: Destination): Promise<unknown> =>
      await destination.load(await batchOf(more, files), SIGNAL);

  const there = { existing: COLUMNS } as const;
  const range = interval("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");

  test("each statement is what golden/snowflake.sql says", async () => {
    const purpose = { export: "replays", interval: "20261001T000000Z_20261001T010000Z", doing: "load" } as const;
    const withoutTwo = COLUMNS.filter(({ name }) => !["end_time", "all_urls"].includes(name));
    const lists = REPLAYS.filter(
      ({ name, type }) => ["team_id", "session_id", "_version"].includes(name) || type === "timestamp[]",
    );
    const sections: Record<string, string> = {
      "each session, before anything else":
        configureSession({ purpose, queryTag: "it's ours", statementSeconds: 1800 }).sql + ";",
      "the first load of session_replays, all columns": await told(
        {},
        {},
        loading({ columns: REPLAYS, key: ["team_id", "session_id"] }),
      ),
      "a load that adds columns, and finds what a dead attempt has left": await told(
        {
          existing: withoutTwo,
          others: ["replayport/0/replays/20261001T000000Z_20261001T010000Z/deaddeaddead/0.parquet"],
        },
        {},
        (destination) => loading()(destination),
      ),
      "on_delete: delete, through a stage of the schema": await told(
        there,
        { onDelete: "delete", stage: "files" },
        loading(),
      ),
      "JSON Lines, with a column of every type": await told(
        { existing: REPLAY_COLUMNS },
        {},
        loading({ format: "jsonl", extension: ".jsonl.zst", columns: REPLAY_COLUMNS }),
      ),
      "CSV, with lists of times": await told(
        {},
        { table: "lists" },
        loading({ format: "csv", extension: ".csv.gz", columns: lists }),
      ),
      "a model without version, times and deletions": await told(
        {},
        { table: "by_day" },
        loading({
          columns: REPLAY_COLUMNS.filter(({ name }) => ["session_id", "score"].includes(name)),
        }),
      ),
      "a batch without rows": await told(there, {}, loading({}, 0)),
      "a load that is refused in the middle of its transaction": await told(
        { ...there, refuses: /^MERGE/ },
        {},
        async (destination) => {
          await assert.rejects(loading()(destination));
        },
      ),
      "an audit, with on_delete: delete": await told(there, { onDelete: "delete" }, async ({ audit, records }) => {
        const scope = { teams: [1, 2], from: range.start };
        await audit.groups(scope, SIGNAL);
        await audit.versions(scope, [{ team: "1", session: "it's a" }], SIGNAL);
        await records.add("audits", "{}", range.end, SIGNAL);
        await records.last("audits", SIGNAL);
      }),
      check: await told({ ...there, rows: 1 }, {}, (destination) => destination.check(SIGNAL)),
      "what is covered": await told(there, {}, (destination) => Array.fromAsync(destination.covered(range, SIGNAL))),
      receipts: await told(there, {}, (destination) => Array.fromAsync(destination.receipts(range, SIGNAL))),
    };
    const whole = Object.entries(sections)
      .map(([name, sql]) => `-- ==== ${name} ====\n\n${sql}\n`)
      .join("\n");
    if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(FILE, whole);
    assert.equal(whole, await readFile(FILE, "utf8"));
  });
});
