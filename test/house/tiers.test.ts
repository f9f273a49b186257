/** The tiers of the suite: what a contributor is promised of `npm test -- --fast`, and that nothing falls between tiers. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { suite, test } from "node:test";
import { isFast, LONGEST, selectTests } from "../tiers.ts";

const select = (tier: "fast" | "default" | "all", ...words: string[]): string[] => selectTests({ tier, words });

suite("the tiers of the test suite", () => {
  test("the fast tier has tests of pure rooms and none that needs a server", () => {
    const fast = select("fast");
    assert.ok(fast.some((file) => file.startsWith("test/intervals/")));
    assert.ok(fast.some((file) => file.startsWith("test/config/")));
    for (const needs of ["test/e2e/", "test/chaos/", "test/conformance/snowflake", "test/fleet/redis"]) {
      assert.deepEqual(
        fast.filter((file) => file.startsWith(needs)),
        [],
      );
    }
  });

  test("a file that reaches a server through a helper is not fast", () => {
    assert.equal(isFast("test/fleet/worker.test.ts"), false);
    assert.equal(isFast("test/models/query.test.ts"), false);
  });

  test("the tiers contain each other, and the last one is every test file", () => {
    const [fast, usual, all] = [select("fast"), select("default"), select("all")];
    assert.deepEqual(
      fast.filter((file) => !usual.includes(file)),
      [],
    );
    assert.deepEqual(
      usual.filter((file) => !all.includes(file)),
      [],
    );
    assert.ok(all.some((file) => !usual.includes(file)));
  });

  test("a word selects slow files too", () => {
    assert.deepEqual(select("default", "e2e/package"), ["test/e2e/package.slow.test.ts"]);
  });

  test("the list of the longest files names files that exist", () => {
    assert.deepEqual(
      LONGEST.filter((file) => !existsSync(file)),
      [],
    );
  });
});
