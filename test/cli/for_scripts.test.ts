/** What scripts, editors and shells get: JSON also for errors, the schema, completion. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { errorSchema } from "../../src/web/schemas.ts";
import { commandLine, type CommandLine } from "../support/cli_process.ts";

const withoutBash = spawnSync("bash", ["--version"]).status === 0 ? false : "no bash";

suite("the command line for scripts", () => {
  let folder: string;
  let cli: CommandLine;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "replayport-test-"));
    cli = commandLine(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("with --json an error is printed on stdout in the API's form, and on stderr for people", async () => {
    for (const [args, code] of [
      [["status", "--json"], "config.missing"],
      [["status", "--json", "--failling"], "cli.options"],
      [["runs", "--json", "--limit", "none"], "cli.options"],
      [["backfill", "replays", "--json"], "cli.options"],
    ] as const) {
      const { code: exit, out, err } = await cli.run(...args);
      assert.equal(exit, 2, args.join(" "));
      const { error } = errorSchema.parse(JSON.parse(out));
      assert.equal(error.code, code);
      assert.match(err, /^error: /);
    }
    assert.equal((await cli.run("status")).out, "");
  });

  test("schema prints the JSON Schema that the package has", async () => {
    const { code, out } = await cli.run("schema");
    assert.equal(code, 0);
    const packaged = await readFile(join(import.meta.dirname, "../../schema/schedules.json"), "utf8");
    assert.deepEqual(JSON.parse(out), JSON.parse(packaged));
  });

  test(
    "completion in bash knows the commands, their options and the choices of an option",
    { skip: withoutBash },
    async () => {
      const { code, out } = await cli.run("completion", "bash");
      assert.equal(code, 0);
      const complete = (...words: string[]): string[] => {
        const typed = ["replayport", ...words].map((word) => `'${word}'`).join(" ");
        const script = `${out}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _replayport; printf '%s\\n' "\${COMPREPLY[@]}"`;
        const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
        assert.equal(stderr, "");
        return stdout.split("\n").filter((word) => word !== "");
      };
      assert.deepEqual(complete("stat"), ["status"]);
      assert.ok(complete("").includes("backfill"));
      assert.deepEqual(complete("status", "--wat"), ["--watch"]);
      assert.deepEqual(complete("-q", "run", "replays", "--du"), ["--due"]);
      assert.deepEqual(complete("runs", "--state", "fa"), ["failed"]);
      assert.ok(complete("sql", "--engine", "").includes("duckdb"));
    },
  );

  test("init names the JSON Schema by a path that is right wherever the file is", async () => {
    await mkdir(join(folder, "deep/er"), { recursive: true });
    for (const file of ["here.yaml", "deep/er/there.yaml"]) {
      assert.equal((await cli.run("init", "-c", file)).code, 0);
      const text = await readFile(join(folder, file), "utf8");
      const [, path = ""] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text) ?? [];
      assert.ok((await readFile(resolve(folder, dirname(file), path), "utf8")).includes('"$schema"'), path);
    }
  });

  test("completion for zsh and fish names every command; another shell is refused", async () => {
    const zsh = await cli.run("completion", "zsh");
    assert.match(zsh.out, /^#compdef replayport\n/);
    const fish = await cli.run("completion", "fish");
    assert.match(fish.out, /^complete -c replayport -n __fish_use_subcommand -a status -d '/m);
    assert.match(
      fish.out,
      /^complete -c replayport -n '__fish_seen_subcommand_from runs' -l state -x -a '.*failed.*' -d '/m,
    );
    assert.equal((await cli.run("completion", "tcsh")).code, 2);
  });
});
