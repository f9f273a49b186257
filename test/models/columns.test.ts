/**
 * The places that name every column of session_replays and can't be derived from it: a new column that is missing there
 * fails here. The demo's proof has its own test (test/demo/proof.test.ts).
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { REPLAY_COLUMNS } from "../../src/demo/replay_table.ts";
import { READING_ORDER } from "../../src/models/reading_order.ts";
import { SESSION_REPLAYS, SESSION_REPLAYS_KEY } from "../../src/models/session_replays.ts";
import { READS, REQUIRED_SOURCES } from "../../src/models/session_replays_reads.ts";

const NAMES = new Set(SESSION_REPLAYS.map(({ name }) => name));
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

suite("a column of session_replays", () => {
  test("the demo's table has every column that is read, and the model reads every column of the table", () => {
    const read = [...REQUIRED_SOURCES, ...Object.values(READS).map(({ source }) => source)];
    assert.deepEqual(sorted(REPLAY_COLUMNS.map(([name]) => name)), sorted(read));
  });

  test("the columns that every export must have exist", () => {
    const columns = [...SESSION_REPLAYS_KEY, ...READING_ORDER];
    assert.deepEqual(columns, ["team_id", "session_id", "_version", "_exported_at"]);
    assert.deepEqual(
      columns.filter((name) => !NAMES.has(name)),
      [],
    );
  });
});
