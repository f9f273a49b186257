/** The packed tarball, installed into an empty folder, works there: nothing is missing from it, and nothing optional is needed. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

suite("the package", () => {
  test("installs into an empty folder, and runs", { timeout: 300_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    try {
      await run("npm", ["pack", "--pack-destination", folder], { cwd: root });
      const [tarball = assert.fail("nothing was packed")] = await readdir(folder);
      await writeFile(join(folder, "package.json"), '{ "name": "somebody", "version": "1.0.0" }');
      try {
        await run("npm", ["install", "--omit=optional", "--prefer-offline", "--no-audit", `./${tarball}`], {
          cwd: folder,
        });
      } catch (error) {
        const { stderr = "" } = error as { stderr?: string };
        if (!/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED/.test(stderr)) throw error;
        t.skip("no package registry can be reached; one would run it");
        return;
      }
      const bin = join(folder, "node_modules/.bin/replayport");
      const { stdout } = await run(bin, ["--help"], { cwd: folder });
      assert.match(stdout, /Usage: replayport/);
      await run(bin, ["init"], { cwd: folder });
      const missing = await run(bin, ["clickhouse", "--path", "data"], { cwd: folder }).then(
        () => assert.fail("there is no engine here"),
        (error: { stderr: string; code: number }) => error,
      );
      assert.match(missing.stderr, /npm install chdb/);
      assert.equal(missing.code, 1);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
