import { type Command, InvalidArgumentError } from "commander";
import type { Destination } from "../../../destinations/destination.ts";
import { usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { bytes, plural, printJson, printLine, printTable, time } from "../output.ts";

/** Of the rows. Fewer cost readers little. */
const DEAD_PERCENT = 20;

interface GcOptions {
  readonly delete?: boolean;
  readonly rewrite?: number | true;
  readonly json?: boolean;
}

export function addGc(program: Command, cli: CliEnvironment): void {
  program
    .command("gc")
    .description("list files that no load uses, and unfinished uploads, such as those of a worker that was killed")
    .argument("<export>", "the export")
    .option("--delete", "remove those older than a day; newer ones may belong to a load in progress")
    .option(
      "--rewrite [percent]",
      `list an Iceberg table's files with more than ${DEAD_PERCENT} % dead rows instead; with --delete, rewrite them without these rows`,
      percentage,
    )
    .option("--json", "print the list as JSON")
    .addHelpText("after", "\nExamples:\n  replayport gc replays --delete\n  replayport gc replays --rewrite --delete")
    .action(async (name: string, _options, command: Command) => {
      await gc(cli, name, command.optsWithGlobals());
    });
}

async function gc(cli: CliEnvironment, name: string, options: GlobalOptions & GcOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const [definition] = context.exports(name);
  const destination = definition && context.destination(definition, options.delete === true ? "change" : "read");
  if (!destination?.collectGarbage)
    throw usageError(`${name} goes to a warehouse`, "Only lakes and Iceberg tables have files to remove.");
  if (options.rewrite !== undefined) return await rewrite(cli, name, destination, options);
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

async function rewrite(cli: CliEnvironment, name: string, destination: Destination, options: GcOptions): Promise<void> {
  if (!destination.rewrite) throw usageError(`${name} goes to a lake`, "Only files of Iceberg tables have dead rows.");
  const percent = typeof options.rewrite === "number" ? options.rewrite : DEAD_PERCENT;
  const change = options.delete === true;
  const found = await Array.fromAsync(destination.rewrite({ percent, change }, cli.signal));
  if (options.json === true) {
    printJson(cli.stdout, found);
    return;
  }
  if (found.length === 0) {
    printLine(cli.stdout, `${name}: no file with more than ${percent} % dead rows`);
    return;
  }
  printTable(
    cli.stdout,
    ["file", "bytes", "rows", "dead", ""],
    found.map((one) => [
      one.key,
      bytes(one.bytes),
      String(one.rows),
      `${Math.round((one.dead / one.rows) * 100)} %`,
      one.rewritten ? "rewritten" : change ? "has changed meanwhile" : "",
    ]),
  );
  const rewritten = found.filter((one) => one.rewritten).length;
  const next = change
    ? `${rewritten} rewritten. The old ones are removed when their snapshots expire`
    : "to write them again without these rows: --delete";
  printLine(cli.stdout, `\n${name}: ${plural(found.length, "file")} with more than ${percent} % dead rows; ${next}`);
}

function percentage(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < 100))
    throw new InvalidArgumentError("Write 0 or more, and less than 100.");
  return value;
}
