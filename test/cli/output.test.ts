/** What the terminal gets: no character of others drives it. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { DemoReport } from "../../src/cli/demo_report.ts";
import { ownCommand } from "../../src/cli/environment.ts";
import { printJson, printLine, printTable } from "../../src/cli/output.ts";
import { Redactor } from "../../src/cli/redactor.ts";

const CLONE = { npm_command: "run-script", npm_lifecycle_event: "demo", npm_package_name: "replayport" };

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

test("commands to copy are those of a clone, of npx, or of a global install", () => {
  assert.deepEqual(
    [CLONE, { ...CLONE, npm_package_name: "shop" }, { npm_command: "exec", npm_lifecycle_event: "npx" }, {}].map(
      ownCommand,
    ),
    ["npm run replayport --", "npx replayport", "npx replayport", "replayport"],
  );
});

test("the demo's end names the commands as its user can run them, in 80 columns", async () => {
  for (const env of [CLONE, {}]) {
    const stdout = new PassThrough();
    const printed = text(stdout);
    const cli = {
      env,
      stdout,
      stderr: new PassThrough(),
      redactor: new Redactor(),
      now: () => new Date(0),
      signal: AbortSignal.timeout(60_000),
      setExitCode: () => undefined,
    };
    new DemoReport(cli, stdout).next({
      seconds: 60,
      lake: "./demo/lake",
      config: "./demo/schedules.yaml",
      catalog: undefined,
    });
    stdout.end();
    const lines = (await printed).split("\n");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("     ")).map((line) => /^ {5}(.*?)(?: {4,}.*)?$/.exec(line)?.[1]),
      [
        "status --config ./demo/schedules.yaml",
        "sql --config ./demo/schedules.yaml",
        "init",
        "check",
        "run --due",
        "sql",
      ].map((args) => `${ownCommand(env)} ${args}`),
    );
    assert.ok(lines.every((line) => line.length <= 80));
  }
});
