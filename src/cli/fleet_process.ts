/** The processes that run until they are stopped: scheduler, worker, or both in one. */
import { once } from "node:events";
import { unlessAborted } from "../abort.ts";
import { parseDuration } from "../config/values/units.ts";
import { usageError } from "./arguments.ts";
import type { CliEnvironment, GlobalOptions } from "./environment.ts";
import { logEvent, openFleetHost } from "./fleet_host.ts";
import { fleetParts, type PartOptions } from "./fleet_parts.ts";
import { Interrupted } from "./interrupt.ts";
import { plural } from "./output.ts";

export interface ProcessOptions extends GlobalOptions {
  readonly concurrency?: number;
  readonly grace?: string;
  /** True: `--http` without an address. */
  readonly http?: string | true;
}

export interface Roles {
  readonly scheduler: boolean;
  readonly worker: boolean;
}

const CONCURRENCY = 2;

export function graceMs(text: string): number {
  const parsed = parseDuration(text);
  if ("value" in parsed) return parsed.value;
  throw usageError(`--grace is not a duration: "${text}"`, parsed.fix);
}

/**
 * The first signal asks for a clean stop: the worker takes no more batches. Running ones have the grace period to finish,
 * then they are aborted and released. A second signal ends the process at once, and another worker takes over its batches.
 */
export async function runFleet(
  cli: CliEnvironment,
  options: ProcessOptions,
  roles: Roles,
  beside: PartOptions,
): Promise<void> {
  const grace = graceMs(options.grace ?? "30s");
  try {
    await runUntilStopped(cli, options, roles, beside, grace);
  } catch (error) {
    // A process that is stopped while it starts has left nothing undone: that is as clean as a stop later.
    if (!(error instanceof Interrupted)) throw error;
  }
}

async function runUntilStopped(
  cli: CliEnvironment,
  options: ProcessOptions,
  roles: Roles,
  beside: PartOptions,
  grace: number,
): Promise<void> {
  await using host = await openFleetHost(cli, options, "all");
  const { fleet, context } = host;
  const { log } = context;
  using _listening = fleet.onEvent((event) => logEvent(log, event));
  const parts: AsyncDisposable[] = [];
  try {
    for (const part of fleetParts(beside, cli.signal)) parts.push(await part(host));
    const scheduler = roles.scheduler ? await fleet.startScheduler(cli.signal) : undefined;
    const concurrency = options.concurrency ?? CONCURRENCY;
    const worker = roles.worker ? await unlessAborted(fleet.startWorker(concurrency), cli.signal) : undefined;
    if (scheduler) log.info(`scheduler started for ${plural(context.config.exports.length, "export")}`);
    const batches = concurrency === 1 ? "1 batch" : `${concurrency} batches`;
    if (worker) log.info({ worker: worker.name }, `worker started, ${batches} at a time`);
    if (!cli.signal.aborted) await once(cli.signal, "abort");
    log.info(worker ? `stopping; running batches have ${options.grace ?? "30s"} to finish` : "stopping");
    await Promise.all([worker?.stop(grace), scheduler?.[Symbol.asyncDispose]()]);
    log.info("stopped");
  } finally {
    for (const part of parts.toReversed()) await part[Symbol.asyncDispose]();
  }
}
