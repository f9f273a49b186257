import type { Command } from "commander";
import type { Audit } from "../../audit/receipt.ts";
import { auditDetails } from "../../audit/summary.ts";
import { wholeNumber } from "../arguments.ts";
import { describeAudit, runAudit } from "../audit_report.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { printJson, printLine, printTable } from "../output.ts";

/** As in the config's default. */
const DAYS = 30;

export function addAudit(program: Command, cli: CliEnvironment): void {
  program
    .command("audit")
    .description("compare the destination with the source; what is missing becomes due")
    .argument("<export>", "the export")
    .option("--days <n>", "sessions that started in the last N days (default: the export's audit.days)", wholeNumber)
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      "\n`run --due` and the fleet also do this, on the schedule in the export's `audit`. Exit code 1: rows are missing even though" +
        "\ntheir intervals were loaded again.\n\nExample:\n  replayport audit replays && replayport run replays --due",
    )
    .action(async (name: string, _options, command: Command) => {
      await audit(cli, name, command.optsWithGlobals());
    });
}

async function audit(
  cli: CliEnvironment,
  name: string,
  options: GlobalOptions & { days?: number; json?: boolean },
): Promise<void> {
  await using context = await Context.open(cli, options);
  for (const definition of context.exports(name)) {
    const result = await runAudit(context, definition, options.days ?? definition.audit?.days ?? DAYS);
    if (options.json === true) printJson(cli.stdout, result ? auditDetails(result) : null);
    else if (result) print(cli, result);
    else
      printLine(cli.stdout, `${name}: nothing to compare. Either nothing is loaded, or the export can't be audited.`);
  }
}

function print({ stdout }: CliEnvironment, result: Audit): void {
  const differing = result.days.filter(({ lacking, onlyDestination }) => lacking + onlyDestination > 0);
  if (differing.length > 0) {
    printTable(
      stdout,
      ["day of start (UTC)", "source", "destination", "missing", "only in destination"],
      differing.map((one) => [one.day, one.source, one.destination, one.lacking, one.onlyDestination]),
    );
  }
  printLine(stdout, `${result.export}: ${describeAudit(result)}`);
  if (result.lacking.some(({ unrepaired }) => !unrepaired)) {
    printLine(stdout, `  To load what is missing: replayport run ${result.export} --due`);
  }
}
