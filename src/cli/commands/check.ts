import type { Command } from "commander";
import { ReplayportError } from "../../errors.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import type { Source } from "../../export/source.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { errorFields } from "../log.ts";
import { printJson, printLine } from "../output.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was found, or what is wrong. */
  readonly detail: string;
  readonly hint?: string | undefined;
}

export function addCheck(program: Command, cli: CliEnvironment): void {
  program
    .command("check")
    .description("try the config, the source and each destination, with a real write, read and delete")
    .option("--json", "print the findings as JSON")
    .addHelpText("after", "\nExample:\n  replayport check -c schedules.yaml")
    .action(async (_options, command: Command) => {
      await check(cli, command.optsWithGlobals());
    });
}

async function check(cli: CliEnvironment, options: GlobalOptions & { json?: boolean }): Promise<void> {
  await using context = await Context.open(cli, options);
  const findings: Finding[] = [];
  const found = (finding: Finding): void => {
    findings.push(finding);
    if (options.json !== true) show(cli, finding);
  };
  const exports = context.exports();
  found({ what: "config", ok: true, detail: `${context.config.file}: ${exports.map(({ name }) => name).join(", ")}` });

  const source = await attempt("source", async () => await context.source(), found, cli.signal);
  const facts = source && (await attempt("source", async () => await source.info(cli.signal), found, cli.signal));
  if (facts) found({ what: "source", ok: true, detail: `${facts.name}, version ${facts.version}` });
  if (source && facts) await checkModels(source, exports, found, cli.signal);
  const checked = new Set<string>();
  for (const definition of exports) {
    if (checked.has(definition.destination)) continue;
    checked.add(definition.destination);
    const what = `destination ${definition.destination}`;
    const destination = context.destination(definition);
    const done = await attempt(
      what,
      async () => await destination.check(cli.signal).then(() => true),
      found,
      cli.signal,
    );
    if (done) found({ what, ok: true, detail: `${destination.name}: written, read and deleted` });
  }
  const failed = findings.filter(({ ok }) => !ok).length;
  if (failed > 0) cli.setExitCode(EXIT.failed);
  if (options.json === true) printJson(cli.stdout, { ok: failed === 0, findings });
  else
    printLine(
      cli.stdout,
      failed === 0 ? "All is well. Next: replayport run --due" : `${failed} of ${findings.length} failed.`,
    );
}

async function checkModels(
  source: Source,
  exports: readonly ExportDefinition[],
  found: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const definition of exports) {
    const what = `export ${definition.name}`;
    const model = await attempt(what, async () => await source.model(definition, signal), found, signal);
    if (model) found({ what, ok: true, detail: `${model.name}, ${model.columns.length} columns` });
  }
}

async function attempt<T>(
  what: string,
  work: () => Promise<T>,
  found: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const hint = error instanceof ReplayportError ? error.hint : undefined;
    found({ what, ok: false, detail: String(errorFields(error)["error"]), hint });
    return undefined;
  }
}

function show(cli: CliEnvironment, { what, ok, detail, hint }: Finding): void {
  printLine(cli.stdout, cli.redactor.apply(`${ok ? "ok    " : "FAILED"}  ${what}: ${detail}`));
  if (hint !== undefined) printLine(cli.stdout, cli.redactor.apply(`        what to do: ${hint}`));
}
