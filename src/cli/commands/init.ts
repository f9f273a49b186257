import { writeFile } from "node:fs/promises";
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

async function init(cli: CliEnvironment, options: GlobalOptions & { force?: boolean }): Promise<void> {
  const { config: file } = options;
  try {
    await writeFile(file, initTemplate(cli.now()), { flag: options.force === true ? "w" : "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new ReplayportError(`${file} already exists`, {
      ...giveUp("cli.file_exists", "Name another file with --config, or overwrite this one with --force."),
      cause,
    });
  }
  printLine(cli.stdout, `${file} is written. Edit it, set the variables that it names, then: replayport check`);
}
