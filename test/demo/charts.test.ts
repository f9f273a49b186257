import assert from "node:assert/strict";
import { test } from "node:test";
import { bar, fit, sparkline } from "../../src/demo/charts.ts";

test("a bar is as long as its share, to an eighth of a column, and never hides what is more than nothing", () => {
  assert.equal(bar(10, 10, 4), "████");
  assert.equal(bar(5, 10, 4), "██");
  assert.equal(bar(1, 16, 4), "▎");
  assert.equal(bar(1, 1_000_000, 4), "▏");
  assert.equal(bar(0, 10, 4), "");
  assert.equal(bar(0, 0, 4), "");
  assert.equal(bar(20, 10, 4), "████");
});

test("a sparkline has a character for each value", () => {
  assert.equal(sparkline([0, 4, 8]), "▁▅█");
  assert.equal(sparkline([0, 0]), "  ");
  assert.equal(sparkline([]), "");
});

test("text is cut and filled to its columns", () => {
  assert.equal(fit("/checkout", 5), "/che…");
  assert.equal(fit("/", 3), "/  ");
});
