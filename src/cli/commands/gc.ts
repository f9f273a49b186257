import type { Command } from "commander";
import { usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { bytes, plural, printJson, printLine, printTable, time } from "../output.ts";

export function addGc(program: Command, cli: CliEnvironment): void {
  program
    .command("gc")
    .description("list files that belong to no load, and unfinished uploads, such as those of a worker that was killed")
    .argument("<export>", "the export")
    .option("--delete", "remove those older than a day; newer ones may belong to a load in progress")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  replayport gc replays --delete")
    .action(async (name: string, _options, command: Command) => {
      await gc(cli, name, command.optsWithGlobals());
    });
}

async function gc(
  cli: CliEnvironment,
  name: string,
  options: GlobalOptions & { readonly delete?: boolean; readonly json?: boolean },
): Promise<void> {
  await using context = await Context.open(cli, options);
  const [definition] = context.exports(name);
  const destination = definition && context.destination(definition, options.delete === true ? "change" : "read");
  if (!destination?.collectGarbage)
    throw usageError(`${name} goes to a warehouse`, "Only lakes and Iceberg tables have files to remove.");
  const found = await Array.fromAsync(destination.collectGarbage(options.delete === true, cli.signal));
  if (options.json === true) {
    printJson(cli.stdout, found);
    return;
  }
  if (found.length === 0) {
    printLine(cli.stdout, `${name}: no unused files`);
    return;
  }
  printTable(
    cli.stdout,
    ["file", "bytes", "written (UTC)", ""],
    found.map((one) => [
      one.key,
      one.unfinished ? "unfinished upload" : bytes(one.bytes),
      time(one.modified),
      one.removed ? "removed" : "",
    ]),
  );
  const removed = found.filter((one) => one.removed).length;
  const next = removed > 0 ? `${plural(removed, "file")} removed` : "to remove those older than a day: --delete";
  printLine(cli.stdout, `\n${name}: ${plural(found.length, "unused file")}; ${next}`);
}
