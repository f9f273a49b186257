import assert from "node:assert/strict";
import { test } from "node:test";
import { COMPARED_COLUMNS, NOT_COMPARED } from "../../src/demo/proof.ts";
import { SESSION_REPLAYS } from "../../src/models/session_replays.ts";

test("the demo's proof compares every exported column, or says why it doesn't", () => {
  const names = SESSION_REPLAYS.map(({ name }) => name);
  assert.deepEqual([...COMPARED_COLUMNS, ...Object.keys(NOT_COMPARED)].sort(), [...names].sort());
});
