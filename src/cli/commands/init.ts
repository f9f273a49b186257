import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import type { DestinationType } from "../../../destinations/options.ts";
import { initTemplate, type SourceChoice } from "../../config/template.ts";
import { substituteTree } from "../../config/values/env.ts";
import { readYaml } from "../../config/yaml.ts";
import { giveUp, messageOf, ReplayportError } from "../../errors.ts";
import { type CliEnvironment, DEFAULT_FILE, type GlobalOptions, ownCommand } from "../environment.ts";
import { askForInit, DESTINATIONS, parseSource } from "../init_questions.ts";
import { painter, printLine, printPainted } from "../output.ts";

interface InitOptions extends GlobalOptions {
  readonly source?: SourceChoice;
  readonly destination?: DestinationType;
  readonly force?: boolean;
}

export function addInit(program: Command, cli: CliEnvironment): void {
  program
    .command("init")
    .description("write a commented schedules.yaml to start from")
    .option("--source <url>", "ClickHouse's HTTP address, or a folder for the embedded engine", parseSource)
    .addOption(new Option("--destination <type>", "where to load to").choices(Object.keys(DESTINATIONS)))
    .option("--force", "overwrite an existing file")
    .addHelpText(
      "after",
      "\nOn a terminal, it asks for both if you give neither. A password in the URL isn't written to the file, which takes it from" +
        "\nCLICKHOUSE_PASSWORD.\n" +
        "\nExamples:\n  replayport init && $EDITOR schedules.yaml && replayport check" +
        "\n  replayport init --source https://replayport@clickhouse.acme.internal:8443 --destination file" +
        "\n  replayport init --source ./data/clickhouse --destination bigquery",
    )
    .action(async (_options, command: Command) => {
      await init(cli, command.optsWithGlobals());
    });
}

/** The package's JSON Schema, seen from the sources or from what is built of them. */
function schemaFile(): string {
  const places = ["../../../schema/schedules.json", "../../../../schema/schedules.json"];
  const files = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return files.find((file) => existsSync(file)) ?? resolve("node_modules/replayport/schema/schedules.json");
}

/** A path that was given in the working directory, as a file in that folder names it. */
function seenFrom(folder: string, path: string): string {
  const seen = relative(folder, resolve(path)).split(sep).join("/");
  return seen.startsWith(".") ? seen : `./${seen}`;
}

async function init(cli: CliEnvironment, options: InitOptions): Promise<void> {
  const { config: file, source, destination, force } = options;
  // Asked first, so that nobody answers questions in vain.
  if (force !== true && existsSync(file)) throw fileExists(file);
  const choices = source || destination ? { source, destination } : await askForInit(cli);
  const seen = (path: string): string => seenFrom(dirname(resolve(file)), path);
  const folder = choices.source && "embedded" in choices.source ? choices.source.embedded : undefined;
  const text = initTemplate(cli.now(), {
    ...choices,
    schema: seen(schemaFile()),
    ...(folder === undefined || isAbsolute(folder) ? {} : { source: { embedded: seen(folder) } }),
  });
  try {
    await writeFile(file, text, { flag: force === true ? "w" : "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") throw fileExists(file, cause);
    throw new ReplayportError(`${file} can't be written: ${messageOf(cause)}`, {
      ...giveUp("cli.file_unwritable", "Create its folder, make it writable, or name another file with --config."),
      cause,
    });
  }
  printNext(cli, file, text);
}

function fileExists(file: string, cause?: unknown): ReplayportError {
  return new ReplayportError(`${file} already exists`, {
    ...giveUp("cli.file_exists", "Name another file with --config, or overwrite this one with --force."),
    cause,
  });
}

function printNext({ stdout: out, env }: CliEnvironment, file: string, text: string): void {
  const paint = painter(out, env);
  printLine(out, `${file} is written.`);
  const places = [...substituteTree(readYaml(text, file).tree, {}).origins.values()];
  const notes = new Map([
    ...places.flatMap(({ missing }) => missing.map((name) => [name, paint("yellow", "not set")] as const)),
    ...places.flatMap(({ used }) => used.map(({ name, value }) => [name, `not set; ${value} by default`] as const)),
  ]);
  if (notes.size > 0) printLine(out, "\nIt takes these variables from the environment:");
  for (const [name, note] of notes)
    printPainted(out, `  ${name.padEnd(22)}  ${(env[name] ?? "") === "" ? note : paint("green", "is set")}`);
  printLine(out, `\n${notes.size > 0 ? "Set them. " : ""}Edit the file where it doesn't fit. Then:`);
  const config = file === DEFAULT_FILE ? "" : ` --config ${file}`;
  for (const next of ["check", "run --due"])
    printPainted(out, `  ${paint("bold", `${ownCommand(env)} ${next}${config}`)}`);
}
