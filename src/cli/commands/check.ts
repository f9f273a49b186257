import type { Command } from "commander";
import { ReplayportError } from "../../errors.ts";
import { agreedNow, askClock } from "../../export/clock.ts";
import { newAttempt } from "../../export/attempt.ts";
import { redisName } from "../../fleet/redis/errors.ts";
import { openStage } from "../../stage/stage.ts";
import type { Model } from "../../models/model.ts";
import { Context } from "../context.ts";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit_codes.ts";
import { redisOf } from "../fleet_host.ts";
import { errorFields } from "../log.ts";
import { printJson, printLine } from "../output.ts";

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly hint?: string | undefined;
}

export function addCheck(program: Command, cli: CliEnvironment): void {
  program
    .command("check")
    .description("test the config, the source, and each destination with a real write, read and delete")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  replayport check -c schedules.yaml")
    .action(async (_options, command: Command) => {
      await check(cli, command.optsWithGlobals());
    });
}

async function check(cli: CliEnvironment, options: GlobalOptions): Promise<void> {
  await using context = await Context.open(cli, options);
  const findings: Finding[] = [];
  const found = ({ what, ok, detail, hint }: Finding): void => {
    const finding = { what, ok, detail: cli.redactor.message(detail), hint: hint && cli.redactor.message(hint) };
    findings.push(finding);
    if (options.json !== true) printFinding(cli, finding);
  };
  /** Runs a check. What it returns is the detail of its finding, what it throws becomes a failure. */
  const attempt = async (what: string, work: () => Promise<string>): Promise<boolean> => {
    try {
      found({ what, ok: true, detail: await work() });
      return true;
    } catch (error) {
      if (cli.signal.aborted) throw cli.signal.reason;
      const hint = error instanceof ReplayportError ? error.hint : undefined;
      found({ what, ok: false, detail: String(errorFields(error)["error"]), hint });
      return false;
    }
  };
  const exports = context.exports();
  found({ what: "config", ok: true, detail: `${context.config.file}: ${exports.map(({ name }) => name).join(", ")}` });
  const reachable = await attempt("source", async () => {
    const { name, version } = await (await context.source()).info(cli.signal);
    return `${name}, version ${version}`;
  });
  if (reachable) {
    await attempt("clock", async () => {
      const clock = await askClock(await context.source(), cli.now, cli.signal);
      agreedNow(clock, Math.min(...exports.map(({ settleMs }) => settleMs)), cli.now());
      return `${Math.abs(clock.aheadMs / 1000).toFixed(1)} s from the source's`;
    });
  }
  const models = new Map<string, Model>();
  for (const definition of reachable ? exports : []) {
    await attempt(`export ${definition.name}`, async () => {
      const model = await (await context.source()).model(definition, cli.signal);
      models.set(definition.name, model);
      return `${model.name}, ${model.columns.length} columns`;
    });
  }
  await attempt("stage", async () => {
    await using stage = await openStage(context.stageRoot, newAttempt());
    return `${stage.folder}: made and removed`;
  });
  const checked = new Map<string, boolean>();
  for (const definition of exports) {
    const { name, destination: at } = definition;
    const destination = context.destination(definition);
    if (!checked.has(at)) {
      const works = await attempt(`destination ${at}`, async () => {
        await destination.check(cli.signal);
        return `${destination.name}: written, read and deleted`;
      });
      checked.set(at, works);
    }
    const model = models.get(name);
    if (model === undefined || destination.checkRows === undefined || checked.get(at) !== true) continue;
    await attempt(`export ${name} into ${at}`, async () => {
      await destination.checkRows?.(model, cli.signal);
      return `${destination.name} takes its columns`;
    });
  }
  if (context.config.redis) {
    await attempt("redis", async () => {
      const redis = await redisOf(context);
      // Loaded here, so that other commands don't wait for the queue's packages.
      const { checkRedis } = await import("../../fleet/redis/check.ts");
      const warnings = await checkRedis(redis);
      return [`${redisName(redis)}: takes the fleet's scripts, writes and blocking commands`, ...warnings].join(". ");
    });
  }
  const failed = findings.filter(({ ok }) => !ok).length;
  if (failed > 0) cli.setExitCode(EXIT.failed);
  if (options.json === true) printJson(cli.stdout, { ok: failed === 0, findings });
  else if (failed > 0) printLine(cli.stdout, `${failed} of ${findings.length} checks failed.`);
  else printLine(cli.stdout, "All checks passed. Next: replayport run --due");
}

function printFinding(cli: CliEnvironment, { what, ok, detail, hint }: Finding): void {
  printLine(cli.stdout, `${ok ? "ok    " : "FAILED"}  ${what}: ${detail}`);
  if (hint !== undefined) printLine(cli.stdout, `        what to do: ${hint}`);
}
