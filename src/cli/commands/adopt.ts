import type { Command } from "commander";
import { usageError } from "../arguments.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printJson, printLine } from "../output.ts";

export function addAdopt(program: Command, cli: CliEnvironment): void {
  program
    .command("adopt")
    .description(
      "make this installation the owner of an export's lake, after ClickHouse or PostHog has moved to another host",
    )
    .argument("[export]", "one export (default: all)")
    .option("--json", "print JSON: each export's owner now and before")
    .addHelpText("after", "\nExample:\n  replayport adopt replays")
    .action(async (name: string | undefined, _options, command: Command) => {
      await adopt(cli, name, command.optsWithGlobals());
    });
}

async function adopt(cli: CliEnvironment, name: string | undefined, options: GlobalOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const { installation } = context.config;
  const owners = [];
  for (const definition of context.exports(name)) {
    const destination = context.destination(definition);
    if (!destination.adopt) continue;
    const before = await destination.adopt(cli.signal);
    const change = before === installation ? `belongs to ${installation} already` : `belongs to ${installation} now`;
    const former = before === undefined || before === installation ? "" : `, no longer to ${before}`;
    owners.push({ export: definition.name, installation, before });
    if (options.json !== true) printLine(cli.stdout, `${definition.name}: ${destination.name} ${change}${former}`);
  }
  if (owners.length === 0)
    throw usageError(`${name ?? "no export"} goes to a warehouse`, "Only a lake or an Iceberg table has an owner.");
  if (options.json === true) printJson(cli.stdout, owners);
}
