import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { initTemplate } from "../../config/template.ts";
import { giveUp, ReplayportError } from "../../errors.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printLine } from "../output.ts";

export function addInit(program: Command, cli: CliEnvironment): void {
  program
    .command("init")
    .description("write a commented schedules.yaml to start from")
    .option("--force", "overwrite an existing file")
    .addHelpText("after", "\nExample:\n  replayport init && $EDITOR schedules.yaml && replayport check")
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

async function init(cli: CliEnvironment, options: GlobalOptions & { force?: boolean }): Promise<void> {
  const { config: file } = options;
  const schema = relative(dirname(resolve(file)), schemaFile())
    .split(sep)
    .join("/");
  try {
    await writeFile(file, initTemplate(cli.now(), schema.startsWith(".") ? schema : `./${schema}`), {
      flag: options.force === true ? "w" : "wx",
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new ReplayportError(`${file} already exists`, {
      ...giveUp("cli.file_exists", "Name another file with --config, or overwrite this one with --force."),
      cause,
    });
  }
  printLine(cli.stdout, `${file} is written. Edit it, set the variables that it names, then: replayport check`);
}
