import assert from "node:assert/strict";
import { test } from "node:test";
import { COMPARED_COLUMNS } from "../../src/demo/proof.ts";
import { SESSION_REPLAYS } from "../../src/models/session_replays.ts";

/** The columns that aren't compared, and why. */
const NOT_COMPARED: Readonly<Record<string, string>> = {
  team_id: "part of the key, by which both sides are joined",
  session_id: "part of the key, by which both sides are joined",
  distinct_id: "merges keep any of a session's",
  replay_url: "made of the key and the config",
  block_first_timestamps: "the demo doesn't include it",
  block_last_timestamps: "the demo doesn't include it",
  block_urls: "the demo doesn't include it",
  blocks_aligned: "the demo doesn't include it",
  _version: "has no meaning outside of the export",
  _exported_at: "describes the export",
  _interval_start: "describes the export",
};

test("the demo's proof compares every exported column, or says why it doesn't", () => {
  const names = SESSION_REPLAYS.map(({ name }) => name);
  assert.deepEqual([...COMPARED_COLUMNS, ...Object.keys(NOT_COMPARED)].sort(), [...names].sort());
});
