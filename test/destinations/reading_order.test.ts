/**
 * Which of two rows wins, by everything that decides it: both warehouses' MERGE, an Iceberg table, the SQL that reads a lake
 * (DuckDB and ClickHouse) and `compareReadings`. They get the same batches and must give the same rows.
 *
 * Each session is a story of its own, and all stories of a test share its batches: a hundred cost one load of each batch.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { openBigQuery } from "../../destinations/bigquery/index.ts";
import type { Batch, Destination } from "../../destinations/destination.ts";
import { currentRowsSql, DEFAULT_PATH, type Reader } from "../../destinations/lake/index.ts";
import { MATCHES, type OnDelete } from "../../src/models/deletion.ts";
import type { Column } from "../../src/models/column.ts";
import { compareReadings, type Reading } from "../../src/models/reading_order.ts";
import { EXPORT, hours } from "../conformance/batches.ts";
import { embedded, embeddedSkip } from "../support/embedded.ts";
import { bigqueryServer, PROJECT } from "./bigquery/emulator.ts";
import { bigqueryOptions, TABLE } from "./bigquery/harness.ts";
import { freshOptions, icebergPlace, openTestTable } from "./iceberg/harness.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { column, type SessionBatches, sessionBatches } from "./snowflake/batches.ts";
import { DATABASE, snowflakeServer } from "./snowflake/emulator.ts";
import { openTestSnowflake, snowflakeOptions } from "./snowflake/harness.ts";

const SIGNAL = AbortSignal.timeout(600_000);
const BATCHES = 3;
/** Not long after the rows were read. */
const READ_AT = new Date("2026-10-02T01:00:00Z");

interface Row {
  readonly version: number | null;
  /** Seconds after midnight. */
  readonly exported: number | null;
  readonly deleted: boolean;
}

/** The rows of one session in each batch, in the order in which the batches arrive. */
type Story = readonly (readonly Row[])[];

const VERSION: Column = column("_version", "int64", { nullable: true });
const COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string", { privacy: "identifier" }),
  column("value", "int64"),
  column("is_deleted", "bool", { nullable: true }),
  column("_exported_at", "timestamp", { nullable: true }),
];

/** What the flag of a row means: that the session was deleted, or that it doesn't match `where`. */
type Mode = OnDelete | "where";

function columnsOf(mode: Mode, versioned: boolean): readonly Column[] {
  const columns = mode === "where" ? COLUMNS.map((each) => (each.name === "is_deleted" ? MATCHES : each)) : COLUMNS;
  return versioned ? [...columns, VERSION] : columns;
}

const onDeleteOf = (mode: Mode): OnDelete => (mode === "where" ? "tombstone" : mode);

/** What is read of a session's current row: which row it is. Rows are numbered through the batches of their story. */
type Current = ReadonlyMap<string, number>;

const at = (exported: number, deleted = false): Row => ({ version: 1, exported, deleted });

/** What was once decided in different ways, by name. */
const CASES: Readonly<Record<string, Story>> = {
  "equal versions, the second read later": [[at(1)], [at(2)]],
  "equal versions, the second read earlier": [[at(2)], [at(1)]],
  "a row without a time of reading, then one with it": [[{ ...at(1), exported: null }], [at(1)]],
  "a row with a time of reading, then one without it": [[at(1)], [{ ...at(1), exported: null }]],
  "a row without a version, then one with it": [[{ ...at(9), version: null }], [at(1)]],
  "a row with a version, then one without it": [[at(1)], [{ ...at(9), version: null }]],
  "two rows without a version": [[{ ...at(1), version: null }], [{ ...at(2), version: null }]],
  "a deletion, then an older row": [[{ ...at(2, true), version: 2 }], [at(3)]],
  "a row, then a deletion of a lower version": [[{ ...at(1), version: 2 }], [at(2, true)]],
  "a recording, its marker alone, and the recording without its marker": [
    [{ ...at(1), version: 2 }],
    [{ ...at(2, true), version: 3 }],
    [{ ...at(3), version: 2 }],
  ],
  "a deletion, then a newer row": [[at(1, true)], [{ ...at(2), version: 2 }]],
  "two rows of one key in one batch": [[at(1), at(3), at(2)], [at(2)]],
  "an older read arrives last": [[at(1)], [{ ...at(3), version: 2 }], [at(2)]],
};

const row: fc.Arbitrary<Row> = fc.record({
  version: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 5 }),
  exported: fc.option(fc.integer({ min: 1, max: 8 }), { freq: 5 }),
  deleted: fc.boolean(),
});

/** No two rows of a session are equal in the order: which of those wins, a lake can't say. Every story has a row. */
const someStory: fc.Arbitrary<Story> = fc
  .uniqueArray(fc.tuple(row, fc.nat(BATCHES - 1)), {
    minLength: 1,
    maxLength: 6,
    selector: ([{ version, exported }]) => `${version} ${exported}`,
  })
  .map((rows) =>
    Array.from({ length: BATCHES }, (_, batch) => rows.filter(([, of]) => of === batch).map(([each]) => each)),
  );

function readingOf({ version, exported }: Row, versioned: boolean): Reading {
  return {
    version: version === null || !versioned ? null : BigInt(version),
    exportedAt: exported === null ? null : BigInt(exported) * 1_000_000n,
  };
}

function expected(stories: ReadonlyMap<string, Story>, mode: Mode, versioned: boolean): Current {
  const current = new Map<string, number>();
  for (const [session, batches] of stories) {
    let standing: { readonly row: Row; readonly value: number } | undefined;
    let value = 0;
    const wins = (now: Row, old: Row): boolean =>
      compareReadings(readingOf(now, versioned), readingOf(old, versioned)) >= 0;
    for (const rows of batches) {
      let best: typeof standing;
      for (const each of rows) {
        if (!best || wins(each, best.row)) best = { row: each, value };
        value += 1;
      }
      if (!best || (standing && !wins(best.row, standing.row))) continue;
      standing = best;
    }
    if (standing && (mode === "tombstone" || !standing.row.deleted)) current.set(session, standing.value);
  }
  return current;
}

/** One SELECT for each batch; undefined for a batch without rows. */
function selects(stories: ReadonlyMap<string, Story>, mode: Mode, versioned: boolean): string[] {
  const batches: string[][] = Array.from({ length: BATCHES }, () => []);
  for (const [session, story] of stories) {
    let value = 0;
    for (const [index, rows] of story.entries()) {
      for (const { version, exported, deleted } of rows) {
        const time = exported === null ? "NULL" : `'2026-10-02 00:00:${String(exported).padStart(2, "0")}+00'`;
        batches[index]?.push(
          `(1::BIGINT, '${session}', ${value}::BIGINT, ${deleted !== (mode === "where")}, CAST(${time} AS TIMESTAMPTZ)${versioned ? `, ${version ?? "NULL"}::BIGINT` : ""})`,
        );
        value += 1;
      }
    }
  }
  const names = columnsOf(mode, versioned)
    .map(({ name }) => name)
    .join(", ");
  return batches
    .filter((rows) => rows.length > 0)
    .map((rows) => `SELECT * FROM (VALUES ${rows.join(", ")}) AS t(${names})`);
}

interface Place {
  readonly name: string;
  readonly skip: string | false;
  readonly read: (stories: ReadonlyMap<string, Story>, mode: Mode, versioned: boolean) => Promise<Current>;
}

async function loadAll(
  destination: Destination,
  batches: SessionBatches,
  stories: ReadonlyMap<string, Story>,
  mode: Mode,
  versioned: boolean,
): Promise<void> {
  for (const [index, select] of selects(stories, mode, versioned).entries()) {
    const columns = columnsOf(mode, versioned);
    // An interval each: which receipt wins is not what is asked here.
    const batch: Batch = await batches.batch({ columns, files: [select], of: hours(index), readAt: READ_AT });
    await destination.load(batch, SIGNAL);
  }
}

const snowflake = await snowflakeServer();
const bigquery = await bigqueryServer();
const iceberg = await icebergPlace();

const PLACES: readonly Place[] = [
  {
    name: "Snowflake's MERGE",
    skip: "skip" in snowflake ? snowflake.skip : false,
    read: async (stories, mode, versioned) => {
      assert.ok(!("skip" in snowflake));
      const schema = await snowflake.schema();
      await using batches = await sessionBatches();
      const options = { ...snowflakeOptions(snowflake, schema), onDelete: onDeleteOf(mode) };
      await using destination = openTestSnowflake(options);
      await loadAll(destination, batches, stories, mode, versioned);
      const rows = await snowflake.sql(
        schema,
        `SELECT "SESSION_ID", "VALUE" FROM "${DATABASE}"."${schema}"."SESSIONS" ORDER BY 1, 2`,
      );
      return currentOf(rows.map((each) => [each["SESSION_ID"], each["VALUE"]]));
    },
  },
  {
    name: "BigQuery's MERGE",
    skip: "skip" in bigquery ? bigquery.skip : false,
    read: async (stories, mode, versioned) => {
      assert.ok(!("skip" in bigquery));
      const dataset = await bigquery.dataset();
      await using batches = await sessionBatches();
      const deps = { now: () => new Date(), version: "test", onWarning: () => undefined };
      const options = { ...bigqueryOptions(bigquery, dataset), onDelete: onDeleteOf(mode) };
      await using destination = openBigQuery(options, { export: EXPORT }, deps);
      await loadAll(destination, batches, stories, mode, versioned);
      const table = `\`${PROJECT}.${dataset}.${TABLE}\``;
      return currentOf(await bigquery.select(`SELECT session_id, value FROM ${table} ORDER BY 1, 2`));
    },
  },
  {
    name: "an Iceberg table",
    skip: "skip" in iceberg ? iceberg.skip : false,
    read: async (stories, mode, versioned) => {
      assert.ok(!("skip" in iceberg));
      await using batches = await sessionBatches();
      const options = { ...freshOptions(iceberg.found), onDelete: onDeleteOf(mode) };
      await using destination = openTestTable(options);
      await loadAll(destination, batches, stories, mode, versioned);
      const table = { namespace: options.namespace, table: options.table ?? EXPORT };
      const rows = (await iceberg.reader.rows(table, ["session_id", "value"])) ?? [];
      return currentOf(rows.map((each) => [each["session_id"], each["value"]]));
    },
  },
  {
    name: "the lake's SQL in DuckDB",
    skip: false,
    read: async (stories, mode, versioned) =>
      await inLake("duckdb", stories, mode, versioned, async (sql) => {
        const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
        try {
          const reader = await connection.runAndReadAll(sql);
          return reader.getRowObjectsJS();
        } finally {
          connection.closeSync();
        }
      }),
  },
  {
    name: "the lake's SQL in ClickHouse",
    skip: embeddedSkip,
    read: async (stories, mode, versioned) =>
      await inLake("clickhouse", stories, mode, versioned, async (sql) => {
        await using engine = await embedded();
        const result = await engine.client.query({ query: sql, format: "JSONEachRow" });
        return await result.json<Record<string, unknown>>();
      }),
  },
];

async function inLake(
  reader: Reader,
  stories: ReadonlyMap<string, Story>,
  mode: Mode,
  versioned: boolean,
  ask: (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>,
): Promise<Current> {
  await using folder = await temporaryFolder();
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  try {
    for (const [index, select] of selects(stories, mode, versioned).entries()) {
      const file = join(folder.path, EXPORT, "dt=2026-10-01", `${index}.parquet`);
      await mkdir(dirname(file), { recursive: true });
      await connection.run(`COPY (${select}) TO '${file}' (FORMAT parquet)`);
    }
  } finally {
    connection.closeSync();
  }
  const sql = currentRowsSql({
    reader,
    options: { type: "file", path: folder.path, onDelete: onDeleteOf(mode) },
    export: EXPORT,
    folders: [{ path: DEFAULT_PATH, extension: ".parquet", columns: [] }],
    columns: columnsOf(mode, versioned),
    key: ["team_id", "session_id"],
  });
  return currentOf((await ask(sql)).map((each) => [each["session_id"], each["value"]]));
}

function currentOf(rows: readonly (readonly unknown[])[]): Current {
  const current = new Map(rows.map(([session, value]) => [String(session), Number(value)]));
  assert.equal(current.size, rows.length, "rows of one key");
  return current;
}

/** Sessions that differ, with their stories: what a person needs who reads the failure. */
function differences(stories: ReadonlyMap<string, Story>, seen: Current, wanted: Current): object[] {
  return [...stories].flatMap(([session, batches]) =>
    seen.get(session) === wanted.get(session)
      ? []
      : [{ session, batches: JSON.stringify(batches), seen: seen.get(session), wanted: wanted.get(session) }],
  );
}

suite("which of two rows wins", { concurrency: false }, () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const random = fc.sample(someStory, { numRuns: 150, seed });
  const sampled = (change: (of: Story) => Story = (of) => of): Map<string, Story> =>
    new Map(random.map((batches, index) => [`random${index}`, change(batches)]));
  const named = new Map(Object.entries(CASES));

  for (const { name, skip, read } of PLACES) {
    const agrees = async (
      stories: ReadonlyMap<string, Story>,
      mode: Mode = "tombstone",
      versioned = true,
    ): Promise<void> => {
      const wanted = expected(stories, mode, versioned);
      const seen = await read(stories, mode, versioned);
      assert.deepEqual(differences(stories, seen, wanted), [], `SEED=${seed}`);
    };
    test(`${name} picks the row that compareReadings does, in cases with a name`, { skip }, () => agrees(named));
    test(`${name} picks the row that compareReadings does, in random batches`, { skip }, () => agrees(sampled()));
    test(`${name} goes by _exported_at alone where a model has no _version`, { skip }, async () => {
      const without = (of: Story): Story => {
        const seen = new Set<number | null>();
        return of.map((rows) => rows.filter(({ exported }) => !seen.has(exported) && seen.add(exported)));
      };
      await agrees(sampled(without), "tombstone", false);
    });
    test(`${name} shows no session whose current row is deleted, with on_delete: delete`, { skip }, () =>
      agrees(new Map([...named, ...sampled()]), "delete"),
    );
    test(`${name} shows no session whose current row doesn't match`, { skip }, () =>
      agrees(new Map([...named, ...sampled()]), "where"),
    );
  }
});
