/** What the terminal gets: no character of others drives it. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { printJson, printLine, printTable } from "../../src/cli/output.ts";

test("lines, tables and JSON are printed without control characters", async () => {
  const out = new PassThrough();
  const printed = text(out);
  const evil = "a\u001b[31mb\u0007\u009bc\r\u202ed";
  printLine(out, evil);
  printTable(out, ["name"], [[evil]]);
  printJson(out, { evil, fine: "é\tx" });
  out.end();
  const shown = await printed;
  // oxlint-disable-next-line no-control-regex -- exactly these may not be there.
  assert.doesNotMatch(shown, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
  assert.match(shown, /^a\[31mbcd\n/);
  assert.match(shown, /"fine": "é\\tx"/);
});
