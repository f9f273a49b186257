/** Which commands a command line loads: loading all of them takes longer than most commands. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandLine } from "../support/command_line.ts";

async function commandsOf(...args: readonly string[]): Promise<string[]> {
  return (await commandLine(args)).commands.map((command) => command.name());
}

suite("the commands that a command line loads", () => {
  test("are those that it names, also where a file has the name of a command", async () => {
    assert.deepEqual(await commandsOf("status", "--help"), ["status"]);
    assert.deepEqual(await commandsOf("help", "status", "run"), await commandsOf());
    assert.deepEqual(await commandsOf("-c", "run", "status"), ["run", "status"]);
    assert.deepEqual(await commandsOf("pause", "replays"), ["pause"]);
  });

  test("are all of them where it names none, so that the help is whole and a typing error gets a suggestion", async () => {
    const all = await commandsOf();
    assert.ok(all.length >= 20);
    for (const args of [["--help"], ["stauts"], ["--help", "run"], ["-h", "status"]])
      assert.deepEqual(await commandsOf(...args), all, args.join(" "));
  });

  test("have the names that they're loaded by", async () => {
    for (const name of await commandsOf()) assert.ok((await commandsOf(name)).includes(name), name);
  });
});
