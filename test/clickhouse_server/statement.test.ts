import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { readStatement } from "../../src/clickhouse_server/body.ts";
import { chooseEncoding, compressionClause } from "../../src/clickhouse_server/compression.ts";
import { ServerException, fromEngine } from "../../src/clickhouse_server/exception.ts";
import { parseStatement } from "../../src/clickhouse_server/statement.ts";
import { tokens } from "../../src/clickhouse_server/tokens.ts";

const latin1 = (sql: string): string => Buffer.from(sql).toString("latin1");

/** `kind format`, and the statement with a mark where the clause of the file goes. */
function shape(sql: string): string {
  const statement = parseStatement(latin1(sql));
  const utf8 = (part: string): string => Buffer.from(part, "latin1").toString();
  switch (statement.kind) {
    case "rows":
      return `rows ${statement.format ?? "-"}: ${utf8(statement.before)}^${utf8(statement.after)}`;
    case "insert": {
      const data = utf8(latin1(sql).slice(statement.dataAt));
      return `insert ${statement.format ?? "-"}: ${utf8(statement.before)}^${utf8(statement.after)}|${data}`;
    }
    case "plain":
      return `plain ${statement.format ?? "-"}`;
    default:
      return statement satisfies never;
  }
}

const SHAPES: readonly (readonly [sql: string, shape: string])[] = [
  ["SELECT 1", "rows -: SELECT 1^"],
  ["SELECT 1 ;; -- done", "rows -: SELECT 1^"],
  ["SELECT 1 -- FORMAT CSV", "rows -: SELECT 1^"],
  ["SELECT 1 // FORMAT CSV\n", "rows -: SELECT 1^"],
  ["SELECT 1 # FORMAT CSV", "rows -: SELECT 1^"],
  ["SELECT 1 /* FORMAT CSV */", "rows -: SELECT 1^"],
  ["SELECT 1 /* a /* nested */ FORMAT CSV */", "rows -: SELECT 1^"],
  ["select 1 format JSONEachRow", "rows JSONEachRow: select 1 ^format JSONEachRow"],
  ["SELECT 1 FORMAT Parquet;", "rows Parquet: SELECT 1 ^FORMAT Parquet"],
  ["SELECT 1 FORMAT CSV SETTINGS a = 1", "rows CSV: SELECT 1 ^FORMAT CSV SETTINGS a = 1"],
  ["SELECT 1 SETTINGS a = 'FORMAT x' FORMAT CSV", "rows CSV: SELECT 1 SETTINGS a = 'FORMAT x' ^FORMAT CSV"],
  ["SELECT 1 SETTINGS format_csv_delimiter = ';'", "rows -: SELECT 1 SETTINGS format_csv_delimiter = ';'^"],
  ["SELECT ' FORMAT CSV'", "rows -: SELECT ' FORMAT CSV'^"],
  ["SELECT 'it''s \\' ; FORMAT CSV'", "rows -: SELECT 'it''s \\' ; FORMAT CSV'^"],
  ['SELECT 1 AS "a; FORMAT CSV"', 'rows -: SELECT 1 AS "a; FORMAT CSV"^'],
  ["SELECT `a``; FORMAT` FROM t", "rows -: SELECT `a``; FORMAT` FROM t^"],
  ["SELECT $$ ; FORMAT CSV $$", "rows -: SELECT $$ ; FORMAT CSV $$^"],
  ["SELECT $x$ $$ ; FORMAT CSV $x$ FORMAT TSV", "rows TSV: SELECT $x$ $$ ; FORMAT CSV $x$ ^FORMAT TSV"],
  ["SELECT ‘ ; FORMAT CSV’ FORMAT TSV", "rows TSV: SELECT ‘ ; FORMAT CSV’ ^FORMAT TSV"],
  ["SELECT 'é' AS à FORMAT TSV", "rows TSV: SELECT 'é' AS à ^FORMAT TSV"],
  ["SELECT\u00a01\u00a0FORMAT\u00a0TSV", "rows TSV: SELECT\u00a01\u00a0^FORMAT\u00a0TSV"],
  ["\ufeffSELECT 1", "rows -: \ufeffSELECT 1^"],
  ["SELECT * FROM t ORDER BY format DESC", "rows -: SELECT * FROM t ORDER BY format DESC^"],
  ["SELECT 1 AS format", "rows -: SELECT 1 AS format^"],
  ["SELECT a, format b", "rows -: SELECT a, format b^"],
  ["SELECT format FORMAT TSV", "rows TSV: SELECT format ^FORMAT TSV"],
  ["SELECT * FROM t ORDER BY a DESC FORMAT TSV", "rows TSV: SELECT * FROM t ORDER BY a DESC ^FORMAT TSV"],
  ["SELECT * FORMAT TSV", "rows TSV: SELECT * ^FORMAT TSV"],
  ["SELECT a FROM t GROUP BY ALL FORMAT TSV", "rows TSV: SELECT a FROM t GROUP BY ALL ^FORMAT TSV"],
  ["SHOW TABLES FORMAT TSV", "plain TSV"],
  ["(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV", "rows TSV: (SELECT 1) UNION ALL (SELECT 2) ^FORMAT TSV"],
  ["((SELECT 1))", "rows -: ((SELECT 1))^"],
  ["WITH 1 AS x SELECT x", "rows -: WITH 1 AS x SELECT x^"],
  ["/* why */ WITH 1 AS x SELECT x", "rows -: /* why */ WITH 1 AS x SELECT x^"],
  ["FROM t SELECT a", "rows -: FROM t SELECT a^"],
  ["DESCRIBE TABLE t", "plain -"],
  ["DESC (SELECT 1)", "plain -"],
  ["EXISTS TABLE t", "plain -"],
  ["CHECK TABLE t", "plain -"],
  ["SELECT (SELECT 1 INTO OUTFILE 'x')", "rows -: SELECT (SELECT 1 INTO OUTFILE 'x')^"],
  ["EXPLAIN AST SELECT 1 FORMAT TSV", "plain TSV"],
  ["KILL QUERY WHERE 1", "plain -"],
  ["WITH 1 AS x INSERT INTO t SELECT x", "plain -"],
  ["INSERT INTO t SELECT 1", "plain -"],
  ["INSERT INTO t (a, b) WITH 1 AS x SELECT x, x", "plain -"],
  ["INSERT INTO t (SELECT 1)", "plain -"],
  ["INSERT INTO t FROM s SELECT a", "plain -"],
  ["CREATE TABLE t (format String) ENGINE = Memory", "plain -"],
  ["SET max_threads = 1", "plain -"],
  ["INSERT INTO t VALUES (1), (2)", "insert Values: INSERT INTO t ^| (1), (2)"],
  ["insert into db.t (a, b) values (';')", "insert Values: insert into db.t (a, b) ^| (';')"],
  ["INSERT INTO t FORMAT JSONEachRow\n{}\n{}", "insert JSONEachRow: INSERT INTO t ^|{}\n{}"],
  ["INSERT INTO t FORMAT TSV\n\tx", "insert TSV: INSERT INTO t ^|\tx"],
  ["INSERT INTO t FORMAT CSV \r\n\n1", "insert CSV: INSERT INTO t ^|\n1"],
  ["INSERT INTO t FORMAT CSV SELECT FORMAT", "insert CSV: INSERT INTO t ^|SELECT FORMAT"],
  ["INSERT INTO t FORMAT CSV 'unclosed", "insert CSV: INSERT INTO t ^|'unclosed"],
  ["INSERT INTO t SETTINGS a = 1 FORMAT CSV\n1", "insert CSV: INSERT INTO t ^SETTINGS a = 1 |1"],
  [
    "INSERT INTO TABLE FUNCTION null('a Int8') VALUES (1)",
    "insert Values: INSERT INTO TABLE FUNCTION null('a Int8') ^| (1)",
  ],
  ["INSERT INTO format FORMAT CSV\n1", "insert CSV: INSERT INTO format ^|1"],
  ["INSERT INTO db.values VALUES (1)", "insert Values: INSERT INTO db.values ^| (1)"],
  ["INSERT INTO t (a, `values`)", "insert -: INSERT INTO t (a, `values`)^|"],
];

for (const [sql, expected] of SHAPES) {
  test(`statement: ${JSON.stringify(sql)}`, () => assert.equal(shape(sql), expected));
}

const REFUSED: readonly (readonly [sql: string, code: number])[] = [
  ["", 62],
  [" ; -- nothing", 62],
  ["SELECT 1; SELECT 2", 62],
  ["INSERT INTO t; SELECT 1", 62],
  ["SELECT 1 INTO OUTFILE '/etc/x'", 358],
  ["SHOW TABLES INTO OUTFILE 'x' FORMAT TSV", 358],
  ["INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV", 78],
];

for (const [sql, code] of REFUSED) {
  test(`statement: refused with ${code}: ${JSON.stringify(sql)}`, () => {
    assert.throws(
      () => shape(sql),
      (error) => error instanceof ServerException && error.code === code,
    );
  });
}

test("the clause at the end is found, whatever is in comments, strings and brackets", () => {
  const inner = fc.constantFrom("FORMAT CSV", "INTO OUTFILE 'x'", ";", "''", "(", "é", " ");
  const noise = fc.array(inner, { maxLength: 5 }).chain((parts) => {
    const joined = parts.join(" ");
    const escaped = joined.replaceAll("'", "''");
    return fc.constantFrom(`/* ${joined} */`, `-- ${joined}\n`, `'${escaped}'`, `"${joined}"`, `$q$${joined}$q$`);
  });
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 6 }), fc.constantFrom("Parquet", "CSVWithNames"), (parts, format) => {
      const sql = `SELECT f(${parts.join(" , ")}) FORMAT ${format} /* ; */ ;`;
      assert.equal(shape(sql).split(":")[0], `rows ${format}`);
    }),
  );
});

test("tokens are in order, with only space and comments between them", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from("'\"`$-/*#;()aF \n\\é“”")) }), (sql) => {
      let at = 0;
      for (const token of tokens(latin1(sql))) {
        assert.ok(token.start >= at && token.end > token.start, `${token.start} after ${at}`);
        at = token.end;
      }
      assert.ok(at <= latin1(sql).length);
    }),
  );
});

test("a string of 8 MB doesn't exhaust the tokenizer's stack", () => {
  const sql = `SELECT '${"x''".repeat(2_700_000)}' FORMAT Null`;
  assert.equal(parseStatement(sql).format, "Null");
});

/** A body that arrives in pieces of `size` bytes and counts what is taken of it. */
function bodyOf(content: string, size: number): { readonly body: AsyncIterable<Buffer>; readonly taken: () => number } {
  const whole = Buffer.from(content);
  let at = 0;
  async function* pieces(): AsyncIterable<Buffer> {
    for (; at < whole.length;) {
      const piece = whole.subarray(at, at + size);
      at += piece.length;
      yield piece;
    }
  }
  return { body: pieces(), taken: () => at };
}

test("an INSERT and its data are separated wherever the body is cut into chunks", async () => {
  for (const size of [1, 7, 1000]) {
    const { statement, data } = await readStatement("", bodyOf("INSERT INTO t FORMAT TSV\né\t1\n", size).body);
    assert.equal(statement.kind, "insert");
    assert.equal(await text(Readable.from(data)), "é\t1\n");
  }
});

test("the statement of an INSERT is found without reading its data", async () => {
  const { body, taken } = bodyOf(`INSERT INTO t FORMAT TSV\n${"1\n".repeat(2_000_000)}`, 65_536);
  const { data } = await readStatement("", body);
  assert.ok(taken() < 600_000, `${taken()} bytes were read`);
  assert.equal((await text(Readable.from(data))).length, 4_000_000);
});

const BODIES: readonly (readonly [url: string, body: string, shape: string])[] = [
  ["INSERT INTO t FORMAT TSV", "1\n2\n", "insert TSV|1\n2\n"],
  ["INSERT INTO t FORMAT TSV", "\n2\n", "insert TSV|\n2\n"],
  ["INSERT INTO t VALUES (1)", ", (2)", "insert Values| (1)\n, (2)"],
  ["INSERT INTO t (a)", "FORMAT TSV\n1\n", "insert TSV|1\n"],
  ["INSERT INTO t (a)", "VALUES (1)", "insert Values| (1)"],
  ["INSERT INTO t (a)", "1\tSELECT\n", "insert -|1\tSELECT\n"],
  ["INSERT INTO t (a)", "SELECT 1", "plain -|"],
  ["SELECT 1", "", "rows -|"],
  ["SELECT", "1 FORMAT TSV", "rows TSV|"],
  ["", "INSERT INTO t", "plain -|"],
];

for (const [url, body, expected] of BODIES) {
  test(`body: ${JSON.stringify(url)} with ${JSON.stringify(body)}`, async () => {
    const { statement, data } = await readStatement(url, bodyOf(body, 3).body);
    assert.equal(`${statement.kind} ${statement.format ?? "-"}|${await text(Readable.from(data))}`, expected);
  });
}

test("a statement over 16 MiB is refused", async () => {
  const { body } = bodyOf(`SELECT '${"x".repeat(40 * 1024 * 1024)}'`, 1024 * 1024);
  await assert.rejects(readStatement("", body), /Max query size exceeded/);
});

test("the compression of an answer is chosen as ClickHouse chooses it", () => {
  assert.equal(chooseEncoding("gzip, deflate, br, zstd"), "zstd");
  assert.equal(chooseEncoding("gzip, deflate, br"), "br");
  assert.equal(chooseEncoding("gzip;q=1.0, lz4;q=0.1"), "lz4");
  assert.equal(chooseEncoding("gzip, deflate"), "gzip");
  assert.equal(chooseEncoding("deflate"), "deflate");
  assert.equal(chooseEncoding("identity"), undefined);
  assert.equal(chooseEncoding(undefined), undefined);
});

test("the compression level stays within the method's range", () => {
  assert.equal(compressionClause("gzip", 22), "COMPRESSION 'gzip' LEVEL 9");
  assert.equal(compressionClause("zstd", 19), "COMPRESSION 'zstd' LEVEL 19");
  assert.equal(compressionClause("zstd", undefined), "COMPRESSION 'zstd' LEVEL 3");
  assert.equal(compressionClause("zstd", Number.NaN), "COMPRESSION 'zstd' LEVEL 3");
  assert.equal(compressionClause(undefined, 5), "COMPRESSION 'none'");
});

test("an error that the engine wrapped twice is unwrapped into ClickHouse's form", () => {
  const wrapped = fromEngine(
    new Error(
      "Code: 27. DB::Exception: Code: 27. DB::Exception: Cannot parse (it): here. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 26.7.2.1). (CANNOT_PARSE_INPUT_ASSERTION_FAILED)",
    ),
  );
  assert.equal(wrapped.code, 27);
  assert.equal(wrapped.status, 400);
  assert.equal(
    wrapped.body("1.2.3.4"),
    "Code: 27. DB::Exception: Cannot parse (it): here. (CANNOT_PARSE_INPUT_ASSERTION_FAILED) (version 1.2.3.4 (embedded))\n",
  );
});
