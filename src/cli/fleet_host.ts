/** Opens the fleet for a command: the config's Redis, and the context's source and destinations. */
import { readFile } from "node:fs/promises";
import type { Needs } from "../config/config.ts";
import { identityOf } from "../config/identity.ts";
import { defined } from "../config/values/defined.ts";
import { giveUp, messageOf, ReplayportError } from "../errors.ts";
import type { ExportDefinition } from "../export/definition.ts";
import type { Backfill, FleetEvent, FleetHandle, FleetRedisOptions } from "../fleet/fleet.ts";
import { type Interval, overlaps } from "../intervals/interval.ts";
import { VERSION } from "../version.ts";
import { Context } from "./context.ts";
import type { CliEnvironment, GlobalOptions } from "./environment.ts";
import { type Logger, errorFields } from "./log.ts";
import { LOST, SILENT } from "./load_report.ts";
import { bytes, count, plural, formatDuration, time } from "./output.ts";
import { planFor } from "./plan_backfill.ts";

export interface FleetHost extends AsyncDisposable {
  readonly context: Context;
  readonly fleet: FleetHandle;
}

/** Something else that runs in the process of a scheduler or worker, such as the HTTP server. Closed last. */
export type FleetPart = (host: FleetHost) => Promise<AsyncDisposable>;

/** @throws ReplayportError `config.no_redis`, or `config.redis_file` if a certificate can't be read */
export async function redisOf(context: Context): Promise<FleetRedisOptions> {
  const { redis, file } = context.config;
  if (!redis) {
    const hint = 'Add redis: { url: "${REDIS_URL}" }. Without Redis, use: replayport run --due';
    throw new ReplayportError(`${file} has no redis`, giveUp("config.no_redis", hint));
  }
  const { files, ...address } = redis;
  const pem = async (key: keyof typeof files): Promise<string | undefined> => {
    const path = files[key];
    if (path === undefined) return undefined;
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      const hint = `Write the path of a PEM file that this user may read in redis.${key}.`;
      throw new ReplayportError(`redis.${key}: ${messageOf(error)}`, giveUp("config.redis_file", hint));
    }
  };
  const [ca, cert, key] = await Promise.all([pem("ca_file"), pem("cert_file"), pem("key_file")]);
  return { ...address, ...defined<Pick<FleetRedisOptions, "ca" | "cert" | "key">>({ ca, cert, key }) };
}

/**
 * The fleet of the config, with the context's source and destinations. Dispose of it before the context.
 * @param exports those that the caller asks about
 */
export async function connectTo(
  context: Context,
  signal: AbortSignal,
  exports: readonly ExportDefinition[] = context.config.exports,
): Promise<FleetHandle> {
  const { log, config, cli } = context;
  // Loaded here, so that other commands don't wait for the queue's packages.
  const { connectFleet } = await import("../fleet/redis_fleet.ts");
  return await connectFleet(
    {
      redis: await redisOf(context),
      settings: config.fleet,
      exports,
      identity: (definition) => {
        const destination = config.destinations[definition.destination];
        if (!destination) throw new Error(`the config accepted an unknown destination: ${definition.destination}`);
        return identityOf(definition, destination, config.installation);
      },
      destination: (definition) => context.destination(definition),
      loadDependencies: (definition, onProgress) => context.loading(definition, onProgress),
      agreedNow: (definition, stop) => context.agreedNow(definition, stop),
      plan: async (definition, request, stop) => (await planFor(context, definition, request, stop)).intervals,
      preview: async (definition, request, stop) => {
        const { intervals, density } = await planFor(context, definition, request, stop, true);
        const changed = density?.filter(({ interval }) => intervals.some((one) => overlaps(one, interval)));
        return { intervals, sessions: changed?.reduce((sum, { rows }) => sum + rows, 0) };
      },
      version: VERSION,
      now: cli.now,
      random: Math.random,
      redact: (text) => cli.redactor.message(text),
      log: {
        info: (message) => log.info(message),
        warn: (message) => log.warn(message),
        error: (error, message, name) =>
          log.error({ ...(name === undefined ? {} : { export: name }), ...errorFields(error) }, message),
      },
    },
    signal,
  );
}

/** A clean stop must not cut off running batches, so source and destinations don't get `cli.signal`. */
export async function openFleetHost(
  cli: CliEnvironment,
  options: GlobalOptions,
  needs: Needs = "used",
): Promise<FleetHost> {
  const context = await Context.open({ ...cli, signal: new AbortController().signal }, options, needs);
  try {
    const fleet = await connectTo(context, cli.signal);
    return {
      context,
      fleet,
      [Symbol.asyncDispose]: async () => {
        await fleet[Symbol.asyncDispose]();
        await context[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
}

/** Logs one line per event. The only place that logs the fleet's errors. */
export function logEvent(log: Logger, event: FleetEvent): void {
  switch (event.kind) {
    case "tick":
      return log.debug({ enqueued: event.enqueued, seconds: event.seconds }, "tick");
    case "lag":
      return;
    case "export.paused": {
      const { pause, error } = event;
      const fields = { export: event.export, reason: pause.reason, by: pause.by, probeAt: pause.probeAt };
      return log.error({ ...fields, hint: error?.hint ?? `replayport resume ${event.export}` }, "export paused");
    }
    case "export.resumed":
      return log.info({ export: event.export, by: event.by }, "export resumed");
    case "export.silent":
      return log.warn({ export: event.export, since: event.since.toISOString() }, SILENT);
    case "enqueued":
      return log.debug(fieldsOf(event), "enqueued");
    case "run.started":
      return log.debug({ ...fieldsOf(event), attempt: event.attempt }, "loading");
    case "run.stage":
      return log.debug({ ...fieldsOf(event), stage: event.stage, seconds: event.seconds }, "stage");
    case "run.loaded": {
      const { rows, bytes: size, files, seconds, lost } = event;
      log.info({ ...fieldsOf(event), rows, bytes: size, files, seconds: Math.round(seconds * 1000) / 1000 }, "loaded");
      if (lost !== undefined) log.warn({ ...fieldsOf(event), sessions: lost }, LOST);
      return;
    }
    case "run.audited": {
      const { lacking, onlyDestination } = event;
      return log.info({ ...fieldsOf(event), lacking, onlyDestination }, "audited");
    }
    case "run.covered":
      return log.info(fieldsOf(event), "loaded already");
    case "run.released":
      return log.info(fieldsOf(event), "released");
    case "run.cancelled":
      return log.info(fieldsOf(event), "cancelled");
    case "run.retrying": {
      const { message, code, hint } = event.error;
      const fields = { ...fieldsOf(event), attempt: event.attempt, delayMs: event.delayMs };
      return log.warn({ ...fields, error: message, code, hint }, "will try again");
    }
    case "run.failed": {
      const { message, code, hint, remedy } = event.error;
      return log.error(
        { ...fieldsOf(event), attempt: event.attempt, error: message, code, hint, remedy },
        "not loaded",
      );
    }
    default:
      event satisfies never;
  }
}

function fieldsOf(event: { export: string; interval: Interval; backfill?: string | undefined }) {
  const { start, end } = event.interval;
  const backfill = event.backfill === undefined ? {} : { backfill: event.backfill };
  return { export: event.export, start: start.toISOString(), end: end.toISOString(), ...backfill };
}

export function backfillLine(one: Backfill, now: Date): string {
  const { id, state, total, done, failed, open, running, rows } = one;
  const range = `${time(one.range.start)} … ${time(one.range.end)}`;
  const parts = [
    `${one.export} ${range}`,
    state,
    `${count(done)} of ${plural(total, "interval")} done`,
    ...(running > 0 ? [`${count(running)} running`] : []),
    ...(open > 0 ? [`${count(open)} remaining`] : []),
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    `${plural(rows, "row")}, ${bytes(one.bytes)}`,
    ...(one.etaSeconds === undefined ? [] : [`${formatDuration(one.etaSeconds)} left`]),
    `by ${one.createdBy}, ${formatDuration((now.getTime() - one.createdAt.getTime()) / 1000)} ago`,
  ];
  return `${id}  ${parts.join(" | ")}`;
}
