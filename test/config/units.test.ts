import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration, parseSize } from "../../src/config/values/units.ts";

suite("durations", () => {
  for (const [text, seconds] of [
    ["0s", 0],
    ["90s", 90],
    ["5m", 300],
    ["2h", 7200],
    ["3d", 259_200],
    ["1w", 604_800],
    [" 5m ", 300],
  ] as const) {
    test(text, () => assert.deepEqual(parseDuration(text), { value: seconds * 1000 }));
  }
  for (const text of ["", "5", "5 m", "1.5h", "-5m", "5M", "5ms", "1h30m", "m", "9999999999999999999w"]) {
    test(`"${text}" is none`, () => assert.ok("problem" in parseDuration(text)));
  }
  test("what is written is read back", () => {
    fc.assert(
      fc.property(fc.nat(1e9), (seconds) => {
        assert.deepEqual(parseDuration(formatDuration(seconds * 1000)), { value: seconds * 1000 });
      }),
    );
  });
});

suite("sizes", () => {
  for (const [text, bytes] of [
    ["0", 0],
    ["4096", 4096],
    ["1B", 1],
    ["1KiB", 1024],
    ["512MiB", 536_870_912],
    ["4GiB", 4_294_967_296],
    ["1.5GiB", 1_610_612_736],
    ["4GB", 4_000_000_000],
    ["1 TiB", 1_099_511_627_776],
  ] as const) {
    test(text, () => assert.deepEqual(parseSize(text), { value: bytes }));
  }
  for (const text of ["", "4G", "4gib", "-1", "1e9", "GiB", "1,5GiB", "99999999TiB"]) {
    test(`"${text}" is none`, () => assert.ok("problem" in parseSize(text)));
  }
});
