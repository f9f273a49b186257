import { type Command, Option } from "commander";
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
import { painter, printJson, printLine, printPainted, widthOf, wrap } from "../output.ts";
import { sayStopping } from "../stopping.ts";
import { printable } from "../../text.ts";
import { answerWithin } from "../answer_within.ts";
import { durationOption } from "../arguments.ts";

interface CheckOptions extends GlobalOptions {
  readonly timeout: number;
}

interface Finding {
  readonly what: string;
  /** False if it was skipped, too. */
  readonly ok: boolean;
  /** It wasn't tried, because something that it needs failed. */
  readonly skipped?: true;
  readonly detail: string;
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
}

const TIMEOUT_MS = 60_000;

export function addCheck(program: Command, cli: CliEnvironment): void {
  program
    .command("check")
    .description("test the config, the source, and each destination with a real write, read and delete")
    .addOption(
      new Option("--timeout <duration>", "how long each test may take")
        .argParser(durationOption)
        .default(TIMEOUT_MS, "60s"),
    )
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  replayport check -c schedules.yaml --timeout 10s")
    .action(async (_options, command: Command) => {
      await check(cli, command.optsWithGlobals());
    });
}

async function check(cli: CliEnvironment, options: CheckOptions): Promise<void> {
  await using context = await Context.open(cli, options, "all");
  using _stopping = sayStopping(cli);
  const findings: Finding[] = [];
  const found = ({ detail, hint, ...rest }: Finding): void => {
    const finding = { ...rest, detail: cli.redactor.message(detail), hint: hint && cli.redactor.message(hint) };
    findings.push(finding);
    if (options.json !== true) printFinding(cli, finding);
  };
  /** Runs a check. What it returns is the detail of its finding, what it throws becomes a failure. */
  const attempt = async (what: string, work: (signal: AbortSignal) => Promise<string>): Promise<boolean> => {
    try {
      using _announced = announce(context, what, options.json === true);
      const detail = await answerWithin(what, options.timeout, work, cli.signal);
      found({ what, ok: true, detail });
      return true;
    } catch (error) {
      if (cli.signal.aborted) throw cli.signal.reason;
      const { code, hint } = error instanceof ReplayportError ? error : { code: "unexpected", hint: undefined };
      found({ what, ok: false, detail: String(errorFields(error)["error"]), code, hint });
      return false;
    }
  };
  const exports = context.exports();
  found({ what: "config", ok: true, detail: `${context.config.file}: ${exports.map(({ name }) => name).join(", ")}` });
  const reachable = await attempt("source", async (signal) => {
    const { name, version } = await (await context.source()).info(signal);
    return `${name}, version ${version}`;
  });
  if (reachable) {
    await attempt("clock", async (signal) => {
      const clock = await askClock(await context.source(), cli.now, signal);
      agreedNow(clock, Math.min(...exports.map(({ settleMs }) => settleMs)), cli.now());
      return `${Math.abs(clock.aheadMs / 1000).toFixed(1)} s from the source's`;
    });
  }
  const skip = (what: string, why: string): void => found({ what, ok: false, skipped: true, detail: why });
  if (!reachable) skip("clock", "the source didn't answer");
  const models = new Map<string, Model>();
  for (const definition of exports) {
    if (!reachable) {
      skip(`export ${definition.name}`, "the source didn't answer");
      continue;
    }
    await attempt(`export ${definition.name}`, async (signal) => {
      const model = await (await context.source()).model(definition, signal);
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
      const works = await attempt(`destination ${at}`, async (signal) => {
        await destination.check(signal);
        return `${destination.name}: written, read and deleted`;
      });
      checked.set(at, works);
    }
    const model = models.get(name);
    if (destination.checkRows === undefined) continue;
    if (model === undefined || checked.get(at) !== true) {
      const missing = model === undefined ? `its columns aren't known` : `destination ${at} failed`;
      skip(`export ${name} into ${at}`, missing);
      continue;
    }
    await attempt(`export ${name} into ${at}`, async (signal) => {
      await destination.checkRows?.(model, signal);
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
  const skipped = findings.filter((one) => one.skipped === true).length;
  const failed = findings.filter(({ ok }) => !ok).length - skipped;
  if (failed > 0) cli.setExitCode(EXIT.failed);
  if (options.json === true) {
    const all = findings.map(({ skipped: wasSkipped = false, code, hint, ...rest }) => ({
      ...rest,
      skipped: wasSkipped,
      code,
      hint,
    }));
    printJson(cli.stdout, { ok: failed === 0, findings: all });
  } else if (failed > 0) {
    const also = skipped > 0 ? `, ${skipped} skipped` : "";
    printLine(cli.stdout, `${failed} of ${findings.length} checks failed${also}.`);
  } else printLine(cli.stdout, "All checks passed. Next: replayport run --due");
}

/** Says what is about to be tried: it may take a while. On a terminal the line goes away afterwards. */
function announce({ cli, log }: Context, what: string, json: boolean): Disposable {
  const { stderr } = cli;
  if (stderr.isTTY !== true || json) {
    // Whoever sends both streams to one file gets JSON and nothing else.
    log[json ? "debug" : "info"](`trying: ${what}`);
    return { [Symbol.dispose]: () => undefined };
  }
  stderr.write(`trying: ${printable(what)}`);
  return { [Symbol.dispose]: () => void stderr.write("\r\u001B[K") };
}

function printFinding({ stdout, env }: CliEnvironment, { what, ok, skipped, detail, hint }: Finding): void {
  const paint = painter(stdout, env);
  const [word, style] = ok
    ? (["ok", "green"] as const)
    : skipped
      ? (["skipped", "yellow"] as const)
      : (["FAILED", "red"] as const);
  const text = wrap(`${what}: ${detail}`, widthOf(stdout), "        ").trimStart();
  printPainted(stdout, `${paint(style, word)}${" ".repeat(8 - word.length)}${text}`);
  if (hint !== undefined) printPainted(stdout, wrap(`what to do: ${hint}`, widthOf(stdout), "        "));
}
