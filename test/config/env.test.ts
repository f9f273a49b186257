import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { substitute, substituteTree } from "../../src/config/values/env.ts";
import { BASE, configOf, EXPORT, exportOf, withExport } from "./parse.ts";

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/);

suite("placeholders in the config", () => {
  const env = { A: "1", EMPTY: "", B: "${A}" };
  for (const [text, expected] of [
    ["${A}", "1"],
    ["x${A}y${A}", "x1y1"],
    ["${A:-2}", "1"],
    ["${NONE:-2}", "2"],
    ["${EMPTY:-2}", "2"],
    ["${NONE:-}", ""],
    ["${NONE:-a:-b c}", "a:-b c"],
    ["$${A}", "${A}"],
    ["$$${A}", "$${A}"],
    ["$$$${A}", "$$${A}"],
    ["$A $ $$", "$A $ $$"],
    ["${B}", "${A}"],
    ["{year}", "{year}"],
  ] as const) {
    test(`${text} → ${expected}`, () => {
      const { text: given, missing, malformed } = substitute(text, env);
      assert.deepEqual({ given, missing, malformed }, { given: expected, missing: [], malformed: false });
    });
  }

  for (const text of ["${", "${A", "${}", "${A B}", "${1}", "${A-b}", "${:-x}"]) {
    test(`${text} is none`, () => assert.equal(substitute(text, env).malformed, true));
  }

  test("missing and empty variables are reported by name", () => {
    assert.deepEqual(substitute("${NONE} ${EMPTY} ${A}", env).missing, ["NONE", "EMPTY"]);
  });

  test("any text stays the same if its placeholders are escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("$", "{", "}", "A", ":", "-", "\n") }), (text) => {
        assert.equal(
          substitute(
            text.replaceAll("${", () => "$${"),
            env,
          ).text,
          text,
        );
      }),
    );
  });

  test("a variable's value is used unchanged, whatever characters it has", () => {
    fc.assert(
      fc.property(name, fc.string({ minLength: 1 }), fc.string(), (variable, value, around) => {
        const outside = around.replaceAll("$", "");
        assert.equal(
          substitute(`${outside}\${${variable}}${outside}`, { [variable]: value }).text,
          outside + value + outside,
        );
      }),
    );
  });

  test("a variable's value can't become a key or a list", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), async (value) => {
        const text = `source: { clickhouse: { url: "http://h", password: "\${PW}" } }
destinations: { local: { type: file, path: x } }
exports: { a: { model: session_replays, team_id: 1, destination: local, schedule: "@daily", start: 2026-10-01 } }`;
        const { source } = await configOf(text, { env: { PW: value } });
        assert.equal(source.kind === "clickhouse" && source.password, value);
      }),
      { numRuns: 50 },
    );
    const hostile = 'x"\nexports: {}\n# ';
    assert.deepEqual(substituteTree({ a: ["${X}"] }, { X: hostile }).tree, { a: [hostile] });
  });

  test("placeholders in keys are not replaced", () => {
    assert.deepEqual(substituteTree({ "${A}": 1 }, { A: "b" }).tree, { "${A}": 1 });
  });
});

suite("numbers and flags from the environment", () => {
  test("a value that is one placeholder becomes the number or flag that the schema needs", async () => {
    const env = {
      TEAM: "7",
      ROWS: "1000",
      MEMORY: "1073741824",
      THREADS: "4",
      MIN: "5",
      DELETED: "true",
      SWEEP: "false",
    };
    const definition = await exportOf(
      {
        team_id: ["${TEAM}", 8],
        rows_per_file: "${ROWS}",
        limits: { memory: "${MEMORY}", threads: "${THREADS}" },
        where: { duration_seconds: { min: "${MIN}" }, is_deleted: "${DELETED}", active_seconds: "${HALF:-0.5}" },
        sweep: "${SWEEP}",
      },
      {},
      { env },
    );
    assert.deepEqual(definition.selection.teams, [7, 8]);
    assert.equal(definition.rowsPerFile, 1000);
    assert.deepEqual(definition.limits, { memoryBytes: 2 ** 30, seconds: 600, threads: 4 });
    assert.equal(definition.sweep, undefined);
    assert.deepEqual(definition.selection.where, [
      { column: "duration_seconds", op: "range", min: 5 },
      { column: "is_deleted", op: "equal", value: true },
      { column: "active_seconds", op: "equal", value: 0.5 },
    ]);
  });

  test("a value that is one placeholder stays text if the schema needs text", async () => {
    const env = { TEAM: "all", PW: "12345678", SALT: "1234567890123456", LIB: "5" };
    const config = await configOf(
      {
        ...withExport({
          team_id: "${TEAM}",
          columns: { hash: ["distinct_id"] },
          where: { snapshot_library: "${LIB}" },
        }),
        source: { clickhouse: { url: "http://h", password: "${PW}" } },
        hash_salt: "${SALT}",
      },
      { env },
    );
    assert.equal(config.source.kind === "clickhouse" && config.source.password, "12345678");
    const [definition] = config.exports;
    assert.equal(definition?.selection.teams, "all");
    assert.equal(definition.selection.salt, "1234567890123456");
    assert.deepEqual(definition.selection.where, [{ column: "snapshot_library", op: "equal", value: "5" }]);
  });

  test("only the given environment is used, not the process's", async () => {
    process.env["REPLAYPORT_TEST_ONLY"] = "7";
    const config = { ...BASE, exports: { a: { ...EXPORT, team_id: "${REPLAYPORT_TEST_ONLY:-3}" } } };
    assert.equal((await configOf(config)).exports[0]?.selection.teams, 3);
    delete process.env["REPLAYPORT_TEST_ONLY"];
  });
});
