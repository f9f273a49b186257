/** How an error is stored. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ReplayportError } from "../../src/errors.ts";
import { fleetError } from "../../src/fleet/fleet_error.ts";

const NOON = new Date("2026-10-01T12:00:00Z");

suite("a stored error", () => {
  const redact = (text: string): string => text.replaceAll("hunter2", "[redacted]");

  test("a stored error has no secret in its message or hint", () => {
    const error = new ReplayportError("hunter2 is wrong", { code: "x", remedy: "retry", hint: "Not hunter2." });
    const kept = fleetError(error, NOON, redact);
    assert.deepEqual([kept.message, kept.hint, kept.code], ["[redacted] is wrong", "Not [redacted].", "x"]);
    assert.deepEqual([kept.remedy, kept.at], ["retry", NOON]);
  });

  test("an error that isn't ours is stored as final", () => {
    for (const thrown of [new TypeError("hunter2 is not a function"), "hunter2"]) {
      const { code, remedy, message, hint } = fleetError(thrown, NOON, redact);
      assert.deepEqual([code, remedy, hint !== undefined], ["unexpected", "give-up", true]);
      assert.match(message, /^\[redacted\]/);
    }
  });
});
