/** The composition root of the commands: config and log, and source and destinations, which open on first use. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Destination } from "../../destinations/destination.ts";
import { type OpenDestination, loadDestinations } from "../../destinations/registry.ts";
import type { Needs } from "../config/config.ts";
import type { Config } from "../config/load.ts";
import { isKnown, knownValues } from "../config/missing.ts";
import { environmentSecrets } from "../config/secrets.ts";
import { giveUp, ReplayportError } from "../errors.ts";
import { newAttempt } from "../export/attempt.ts";
import { agreedNow, askClock, type SourceClock } from "../export/clock.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { LoadDependencies } from "../export/load_batch.ts";
import type { Source } from "../export/source.ts";
import { memoryIn } from "../stage/memory.ts";
import { VERSION } from "../version.ts";
import type { CliEnvironment, GlobalOptions } from "./environment.ts";
import { type Logger, createLogger } from "./log.ts";
import { hasColours, widthOf } from "./output.ts";
import { secretsInFiles } from "./secret_files.ts";

/** How long the source's answer about its clock is good for, and how long to wait for one. */
const CLOCK_MS = 60_000;
const CLOCK_ANSWER_MS = 10_000;
/** How long to go without after it gave none. */
const CLOCK_AGAIN_MS = 5_000;

export function loggerFor(cli: CliEnvironment, options: GlobalOptions): Logger {
  const level = options.quiet === true ? "error" : options.verbose === true ? "debug" : "info";
  const { stderr, env } = cli;
  const terminal =
    stderr.isTTY === true ? { width: widthOf(stderr) ?? 80, colours: hasColours(stderr, env) } : undefined;
  return createLogger({ level, terminal }, cli.redactor);
}

export class Context implements AsyncDisposable {
  readonly cli: CliEnvironment;
  readonly config: Config;
  readonly log: Logger;
  readonly stageRoot: string;
  readonly #openDestination: OpenDestination;
  readonly #open: AsyncDisposable[] = [];
  readonly #destinations = new Map<string, Destination>();
  #source: Promise<Source> | undefined;
  #saidDisagreement = false;
  #clock: { readonly asked: number; readonly answer: Promise<SourceClock> } | undefined;

  constructor(cli: CliEnvironment, config: Config, log: Logger, stageRoot: string, openDestination: OpenDestination) {
    this.cli = cli;
    this.config = config;
    this.log = log;
    this.stageRoot = stageRoot;
    this.#openDestination = openDestination;
  }

  /** @param needs which variables of the config have to be there. What loads data asks for all, before it begins */
  static async open(cli: CliEnvironment, options: GlobalOptions, needs: Needs = "used"): Promise<Context> {
    cli.redactor.add(environmentSecrets(cli.env));
    const { loadConfig } = await import("../config/load.ts");
    const config = await loadConfig(options.config, cli.env, needs);
    cli.redactor.add(config.secrets);
    cli.redactor.add(await secretsInFiles(config, cli.env));
    const stageRoot =
      options.stageDir ??
      cli.env["REPLAYPORT_STAGE_DIR"] ??
      join(tmpdir(), `replayport-stage-${process.getuid?.() ?? "user"}`);
    const openDestination = await loadDestinations(knownValues(config.destinations).map(({ type }) => type));
    return new Context(cli, config, loggerFor(cli, options), stageRoot, openDestination);
  }

  /** The export of this name, or all exports. */
  exports(name?: string): readonly ExportDefinition[] {
    if (name === undefined) return this.config.exports;
    const found = this.config.exports.filter((one) => one.name === name);
    if (found.length > 0) return found;
    const names = this.config.exports.map((one) => one.name).join(", ");
    throw new ReplayportError(
      `${this.config.file} has no export "${name}"`,
      giveUp("cli.no_export", `It has: ${names}.`),
    );
  }

  async source(): Promise<Source> {
    this.#source ??= this.#openSource();
    this.#source.catch(() => {
      // So that a worker tries again with its next batch.
      this.#source = undefined;
    });
    return await this.#source;
  }

  async #openSource(): Promise<Source> {
    const { openSource } = await import("../clickhouse/open_source.ts");
    const source = await openSource(this.config.source, this.cli.signal);
    this.#open.push(source);
    return source;
  }

  /**
   * What time it is by the earlier of this machine's clock and the source's, which is asked once a minute at most.
   * @throws ReplayportError `source.clock` if they differ too much
   */
  async agreedNow({ settleMs }: Pick<ExportDefinition, "settleMs">, signal: AbortSignal): Promise<Date> {
    const { now } = this.cli;
    // An engine on this machine has this machine's clock.
    if (this.config.source.kind === "embedded") return now();
    if (this.#clock === undefined || performance.now() - this.#clock.asked > CLOCK_MS) {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(CLOCK_ANSWER_MS)]);
      const answer = this.source().then(async (source) => await askClock(source, now, enough));
      const asked = performance.now();
      answer.catch(() => {
        // So that a worker asks again soon, but 200 exports in a row ask once.
        this.#clock = { asked: performance.now() - CLOCK_MS + CLOCK_AGAIN_MS, answer };
      });
      this.#clock = { asked, answer };
    }
    // Where the source doesn't answer, this machine's clock alone decides what to try: each load asks again.
    const clock = await this.#clock.answer.catch(() => undefined);
    signal.throwIfAborted();
    return clock === undefined ? now() : agreedNow(clock, settleMs, now());
  }

  /** @param use who only reads it needn't know whose it is, which takes the source's address */
  destination(definition: ExportDefinition, use: "change" | "read" = "change"): Destination {
    const key = `${use} ${definition.name}`;
    const opened = this.#destinations.get(key) ?? this.#openFor(definition, use);
    this.#destinations.set(key, opened);
    return opened;
  }

  #openFor(definition: ExportDefinition, use: "change" | "read"): Destination {
    const options = this.config.destinations[definition.destination];
    if (!options) throw new Error(`the config accepted an unknown destination: ${definition.destination}`);
    const opened = this.#openDestination(
      options,
      { export: definition.name, path: definition.path },
      {
        now: this.cli.now,
        version: VERSION,
        ...(use === "read" && !isKnown(this.config, "installation") ? {} : { installation: this.config.installation }),
        folder: this.stageRoot,
        memory: memoryIn(this.stageRoot),
        onWarning: (message, detail) => this.log.warn({ export: definition.name, ...detail }, message),
      },
    );
    this.#open.push(opened);
    return opened;
  }

  async loading(
    definition: ExportDefinition,
    onProgress: LoadDependencies["onProgress"] = () => undefined,
  ): Promise<LoadDependencies> {
    return {
      source: await this.source(),
      destination: this.destination(definition),
      stageRoot: this.stageRoot,
      now: this.cli.now,
      newAttempt,
      onProgress: (step) => {
        if (step.kind === "staged") this.#compare(definition, step.rows, step.reported);
        onProgress(step);
      },
    };
  }

  /** The file's count decides. Said once: the cause is a proxy or a server, which stays as it is. */
  #compare({ name }: ExportDefinition, rows: number, reported: number | undefined): void {
    if (reported === rows || this.#saidDisagreement) return;
    this.#saidDisagreement = true;
    const what = reported === undefined ? "is missing" : "has another row count than the file";
    this.log.warn(
      { export: name, rows, reported },
      `X-ClickHouse-Summary ${what}. The rows in the file count. A proxy may be dropping headers or wait_end_of_query`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#open.toReversed()) await opened[Symbol.asyncDispose]();
  }
}
