/** What README and docs say of commands and of the config holds: their examples go through the real parsers. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import type { Command } from "commander";
import { parse, stringify } from "yaml";
import { createProgram } from "../../src/cli/program.ts";
import { parseConfig } from "../../src/config/config.ts";
import { configJsonSchema } from "../../src/config/problems/json_schema.ts";

const pages = ["README.md", ...globSync("{docs/*,examples/*,examples/*/README}.md")].sort();
const read = (page: string): string => readFileSync(page, "utf8");

/** What an example leaves out. */
const BASE = {
  source: { clickhouse: { url: "http://clickhouse:8123" } },
  destinations: { lake: { type: "file", path: "./lake" } },
  exports: {
    replays: { model: "session_replays", team_id: 1, destination: "lake", schedule: "@hourly", start: "2026-10-01" },
  },
};
/** Blocks of YAML that are no config, by their first key. */
const OTHER_YAML = new Set(["rule_files", "image", "groups", "external_stage"]);

interface Block {
  readonly page: string;
  readonly text: string;
}

function blocks(language: string): Block[] {
  const fence = new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\``, "gm");
  return pages.flatMap((page) => [...read(page).matchAll(fence)].map(([, , text = ""]) => ({ page, text })));
}

/** The program with its commands, none of which does anything. */
async function program(): Promise<{ readonly main: Command; readonly output: () => string }> {
  const out = new PassThrough();
  const main = await createProgram({
    env: {},
    stdout: out,
    stderr: out,
    redactor: { add: () => undefined, redact: (text: string) => text },
    now: () => new Date(),
    signal: new AbortController().signal,
    setExitCode: () => undefined,
  } as unknown as Parameters<typeof createProgram>[0]);
  for (const command of main.commands) command.action(() => undefined);
  return { main, output: () => String(out.read() ?? "") };
}

/** The arguments of a `replayport` call in a line of shell, or undefined where it calls something else. */
function argumentsOf(line: string): string[] | undefined {
  const [, rest] = /(?:^|npx )(?:[A-Z_]+=\S+ )?replayport((?: [^|#&>\n]*)?)/.exec(line.trim()) ?? [];
  return rest === undefined
    ? undefined
    : [...rest.matchAll(/"([^"]*)"|(\S+)/g)].map(([word, quoted]) => quoted ?? word);
}

async function parses(args: readonly string[]): Promise<string | undefined> {
  const { main, output } = await program();
  try {
    await main.parseAsync([...args], { from: "user" });
    return undefined;
  } catch {
    return output().split("\n")[0];
  }
}

suite("the documentation", () => {
  test("the table of commands names every command, and no other", async () => {
    const [, table = ""] = /^# Commands\n([^]*?)\n## /.exec(read("docs/commands.md")) ?? [];
    const cells = [...table.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = ""]) => cell.replaceAll("\\|", " "));
    const named = new Set(cells.flatMap((cell) => [...cell.matchAll(/`([a-z]+)[^`]*`/g)].map(([, name = ""]) => name)));
    const { main } = await program();
    const commands = main.commands.map((command) => command.name());
    assert.deepEqual([...named].sort(), commands.sort());
  });

  test("every command's --help has examples, and they parse", async () => {
    const { main } = await program();
    for (const command of main.commands) {
      let help = "";
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      const start = help.search(/^Examples?:/m);
      const examples =
        start === -1
          ? []
          : help
              .slice(start)
              .split("\n")
              .filter((line) => argumentsOf(line) !== undefined);
      assert.ok(examples.length > 0, `${command.name()} has no example`);
      for (const line of examples) assert.equal(await parses(argumentsOf(line) ?? []), undefined, line);
    }
  });

  test("no --help gives an option's default twice", async () => {
    const { main } = await program();
    for (const command of main.commands) {
      for (const option of command.options) {
        const shown = command.createHelp().optionDescription(option);
        assert.ok((shown.match(/default/g) ?? []).length <= 1, `${command.name()} ${option.flags}: ${shown}`);
      }
    }
  });

  test("the commands in README and docs parse", async () => {
    const calls = blocks("sh").flatMap(({ page, text }) =>
      text.split("\n").flatMap((line) => {
        const args = argumentsOf(line);
        return args === undefined || args.length === 0 ? [] : [{ page, line, args }];
      }),
    );
    assert.ok(calls.length > 5);
    for (const { page, line, args } of calls) assert.equal(await parses(args), undefined, `${page}: ${line}`);
  });

  test("an example with an unknown option, or of an unknown command, is found", async () => {
    assert.match((await parses(["run", "--dew"])) ?? "", /unknown option '--dew'/);
    assert.match((await parses(["rum"])) ?? "", /unknown command 'rum'/);
    assert.deepEqual(argumentsOf('REDIS_URL=redis://r replayport pause replays --reason "a b" # why'), [
      "pause",
      "replays",
      "--reason",
      "a b",
    ]);
  });

  test("the configs in README and docs are accepted", async () => {
    const known = new Set(Object.keys((configJsonSchema() as { properties: object }).properties));
    let checked = 0;
    for (const { page, text } of blocks("yaml")) {
      const example = parse(text) as Record<string, unknown>;
      const [first = ""] = Object.keys(example);
      if (OTHER_YAML.has(first)) continue;
      assert.ok(known.has(first), `${page}: ${first} is no key of the config`);
      const withDestinations = { ...BASE.destinations, ...(example["destinations"] as object | undefined) };
      const whole = stringify({ ...BASE, ...example, destinations: withDestinations });
      const env = Object.fromEntries(
        [...whole.matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => [
          name,
          name.endsWith("PASSWORD") ? "password" : "https://example.com/a-long-secret",
        ]),
      );
      const result = await parseConfig(whole, { file: "schedules.yaml", env, read: () => Promise.resolve("SELECT 1") });
      assert.deepEqual("problems" in result ? result.problems : [], [], page);
      checked += 1;
    }
    assert.ok(checked >= 6);
  });

  test("the README says once which Node.js is needed, and package, docs and image agree", () => {
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    const oldest = /^>=(\d+\.\d+)\.0$/.exec(engines.node)?.[1] ?? assert.fail(engines.node);
    const versions = (page: string): string[] =>
      [...read(page).matchAll(/Node(?:\.js)? (\d+(?:\.\d+)*) or newer/g)].map(([, version = ""]) => version);
    assert.deepEqual(versions("README.md"), [oldest]);
    assert.equal(read("README.md").match(/Node(\.js)? \d/g)?.length, 1);
    assert.deepEqual(versions("docs/compatibility.md"), [oldest]);
    for (const page of [...pages, "CONTRIBUTING.md"]) {
      for (const version of versions(page)) assert.equal(version, oldest, page);
    }
    const [image = ""] = /(?<=^ARG NODE=)\d+/m.exec(read("Dockerfile")) ?? [];
    assert.equal(image, read(".nvmrc").trim());
    assert.ok(Number(image) >= Number(oldest), `the image's Node.js ${image} is older than ${oldest}`);
  });

  test("a link of README or CONTRIBUTING leads to a file", () => {
    for (const page of ["README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"]) {
      const targets = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = ""]) => target);
      assert.deepEqual(
        targets.filter((target) => !existsSync(target)),
        [],
        page,
      );
    }
  });

  test("the metrics that the docs name exist", () => {
    const sources = globSync("src/web/**/*.ts").map(read).join("\n");
    const named = [...read("docs/http.md").matchAll(/\breplayport_\w+/g)].map(([name]) => name);
    assert.ok(named.length > 10);
    // A histogram's name gets a suffix from Prometheus.
    const unknown = named.filter((name) => !sources.includes(`"${name.replace(/_(bucket|sum|count)$/, "")}"`));
    assert.deepEqual(unknown, []);
  });
});
