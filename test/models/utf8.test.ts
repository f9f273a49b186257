/** Every text in a file is valid UTF-8, whatever bytes the source has: other people's readers refuse a whole column for one that isn't. */
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Source } from "../../src/export/source.ts";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { HOUR_ONE, NO_RULES, READ, REPLAYS } from "../support/definitions.ts";

const signal = AbortSignal.timeout(120_000);
const SALT = "0123456789abcdef";
const CUT = "substring('né', 1, 2)";
const OWN: ExportDefinition = {
  ...REPLAYS,
  model: {
    kind: "sql",
    file: "own.sql",
    key: ["id"],
    sql: `SELECT 1 AS id, ${CUT} AS cut, [${CUT}, 'é'] AS list, CAST(unhex('FF') AS Nullable(String)) AS maybe,
      CAST(NULL AS Nullable(String)) AS none, toLowCardinality(unhex('61C3')) AS low, toFixedString(unhex('E282'), 2) AS fixed,
      decodeURLComponent('%C3x') AS decoded, concat('https://x/', unhex('C3'), '?q=', unhex('FF')) AS url,
      [CAST(unhex('FF') AS Nullable(String)), NULL] AS maybes, map(unhex('FF'), unhex('C3')) AS map, tuple(unhex('FF'), 1) AS pair,
      [[unhex('FF')], ['é']] AS nested, CAST(unhex('FF'), 'Dynamic') AS dynamic, unhex('61EDA08062C08063F4908080') AS forms,
      unhex('FF') AS hashed, [unhex('FF')] AS hashes, '🦊 é' AS fine, concat('a', unhex('00FF')) AS _version
      WHERE {interval_start} < {interval_end}`,
  },
  selection: {
    ...REPLAYS.selection,
    salt: SALT,
    rules: { ...NO_RULES, hash: ["hashed", "hashes"], stripQuery: ["url"] },
  },
};

suite("text in files", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  let source: Source;
  let folder: string;
  before(async () => {
    server = await clickhouse();
    source = await openClickHouse(server.options);
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    const { client, options } = server;
    await server.replays.insert([
      {
        team: 1,
        session: "s",
        firstMicros: HOUR_ONE.start.getTime() * 1000,
        lastMicros: HOUR_ONE.start.getTime() * 1000 + 1,
        ingested: HOUR_ONE.start.getTime() / 1000 + 9,
        url: "https://x/",
        tags: ["tag"],
      },
    ]);
    const broken = `all_urls = ['https://x/', ${CUT}], ai_tags_fixed = [unhex('FF')], distinct_id = unhex('75FF')`;
    const where = "WHERE session_id = 's' SETTINGS mutations_sync = 2";
    await client.command({ query: `ALTER TABLE ${options.database}.${options.table} UPDATE ${broken} ${where}` });
  });
  after(async () => {
    await source[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** The only row of an export, as DuckDB reads it from a file of the format. */
  async function rowOf(definition: ExportDefinition): Promise<Record<string, unknown>> {
    const { format } = definition;
    const model = await source.model(definition, signal);
    const purpose = { export: "own", interval: HOUR_ONE, limits: definition.limits };
    const { stream } = await source.extract(model.rows(READ, format), format, definition.compression, purpose, signal);
    const bytes = await buffer(stream);
    const plain = format === "parquet" ? bytes : gunzipSync(bytes);
    if (format !== "parquet") assert.ok(isUtf8(plain), `${format} isn't UTF-8`);
    const path = join(folder, `file.${format}`);
    await writeFile(path, plain);
    const reader = { parquet: "read_parquet", jsonl: "read_json_auto", csv: "read_csv" }[format];
    const connection = await (await DuckDBInstance.create()).connect();
    try {
      const result = await connection.runAndReadAll(`SELECT * FROM ${reader}('${path}')`);
      const [row] = result.getRowObjectsJson();
      assert.ok(row);
      return row;
    } finally {
      connection.closeSync();
    }
  }
  const list = (value: unknown): unknown => (typeof value === "string" ? JSON.parse(value) : value);

  for (const format of ["parquet", "jsonl", "csv"] as const) {
    const shape = { format, compression: format === "parquet" ? "zstd" : "gzip" } as const;

    test(`${format}: a cut character of a user's own SELECT becomes U+FFFD, also in arrays and after rules`, async () => {
      const row = await rowOf({ ...OWN, ...shape });
      const hash = createHash("sha256")
        .update(`${SALT}\0`)
        .update(Buffer.from([0xff]))
        .digest("hex");
      assert.equal(row["cut"], "n\ufffd");
      assert.deepEqual(list(row["list"]), ["n\ufffd", "é"]);
      assert.equal(row["maybe"], "\ufffd");
      assert.ok(row["none"] === null || row["none"] === "\\N");
      assert.equal(row["low"], "a\ufffd");
      assert.match(String(row["fixed"]), /^\ufffd+$/);
      assert.deepEqual(list(row["maybes"]), ["\ufffd", ""], "no reader of lists of texts expects NULL in one");
      assert.equal(row["map"], "{'\ufffd':'\ufffd'}");
      assert.equal(row["pair"], "('\ufffd',1)");
      assert.deepEqual(list(row["nested"]), ["['\ufffd']", "['é']"]);
      assert.equal(row["dynamic"], "\ufffd");
      assert.match(
        String(row["forms"]),
        /^a\ufffd+b\ufffd+c\ufffd+$/,
        "half of a pair, a longer form than needed, beyond Unicode",
      );
      assert.equal(row["decoded"], "\ufffdx");
      assert.equal(row["url"], "https://x/\ufffd");
      assert.equal(row["hashed"], hash, "the hash is that of the source's bytes");
      assert.deepEqual(list(row["hashes"]), [hash]);
      assert.equal(row["fine"], "🦊 é");
    });

    test(`${format}: bytes of PostHog's table that aren't UTF-8 become U+FFFD`, async () => {
      const row = await rowOf({ ...REPLAYS, ...shape });
      assert.equal(row["distinct_id"], "u\ufffd");
      assert.deepEqual(list(row["all_urls"]), ["https://x/", "n\ufffd"]);
      assert.deepEqual(list(row["ai_tags_fixed"]), ["\ufffd"]);
    });
  }
});
