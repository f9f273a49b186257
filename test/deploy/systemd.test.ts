/** The units of deploy/systemd: systemd understands them, and they run commands that there are. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { graceMs } from "../../src/cli/fleet_process.ts";
import { programOnPath, run } from "../support/tools.ts";
import { assertCommand, optionOf } from "../support/command_line.ts";

const FOLDER = "deploy/systemd";
const units = (await readdir(FOLDER)).sort();
const read = async (unit: string): Promise<string> => await readFile(join(FOLDER, unit), "utf8");
const valueOf = (text: string, key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";

suite("systemd units", () => {
  test("a timer for run --due, and services for the fleet", () => {
    assert.deepEqual(units, [
      "replayport-scheduler.service",
      "replayport-worker@.service",
      "replayport.service",
      "replayport.timer",
    ]);
  });

  test("each service runs a command that there is, as a user, with a stage of its own", async () => {
    const stages = new Set<string>();
    for (const unit of units.filter((one) => one.endsWith(".service"))) {
      const text = await read(unit);
      const [env, name, ...args] = valueOf(text, "ExecStart").split(" ");
      assert.deepEqual([env, name], ["/usr/bin/env", "replayport"], unit);
      assertCommand(args);
      assert.equal(valueOf(text, "User"), "replayport", unit);
      const stage = /REPLAYPORT_STAGE_DIR=(\S+)/.exec(valueOf(text, "Environment"))?.[1] ?? "";
      assert.ok(stage.startsWith("/var/lib/replayport/"), unit);
      assert.equal(valueOf(text, "StateDirectory"), "replayport", unit);
      stages.add(stage);
      const stop = Number(valueOf(text, "TimeoutStopSec")) * 1000;
      const grace = args.includes("--grace") ? graceMs(optionOf(args, "--grace")) : 0;
      // After the grace, loads are aborted and release what they have.
      assert.ok(stop >= grace + 15_000, unit);
    }
    assert.equal(stages.size, 3);
  });

  test("systemd understands each unit", async (t) => {
    const analyze = await programOnPath(["systemd-analyze"], ["/usr/bin", "/bin"]);
    if (analyze === undefined) {
      t.skip("no systemd-analyze on this machine: apt-get install systemd");
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    try {
      for (const unit of units) await copyFile(join(FOLDER, unit), join(folder, unit));
      const verify = async (...names: string[]): Promise<string> => {
        const files = names.map((name) => join(folder, name));
        try {
          return (await run(analyze, ["verify", "--recursive-errors=no", ...files])).stderr;
        } catch (error) {
          return (error as { readonly stderr: string }).stderr;
        }
      };
      const ours = (text: string): string[] => text.split("\n").filter((line) => line.includes("replayport"));
      assert.deepEqual(ours(await verify(...units.map((unit) => unit.replace("@.", "@1.")))), []);
      await writeFile(
        join(folder, "replayport-wrong.service"),
        "[Service]\nExecStart=/usr/bin/env true\nProtectHom=yes\n",
      );
      assert.match(ours(await verify("replayport-wrong.service")).join("\n"), /ProtectHom/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
