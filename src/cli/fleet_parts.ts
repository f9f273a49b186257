/** What runs beside a scheduler or worker in its process, as the config says: HTTP server, alerts and traces. */
import { traceTarget } from "../telemetry/endpoint.ts";
import { usageError } from "./arguments.ts";
import type { FleetHost, FleetPart } from "./fleet_host.ts";
import { errorFields } from "./log.ts";

export interface PartOptions {
  /** `--http`: true without an address; undefined: no HTTP server. */
  readonly http: string | true | undefined;
  /** Whether this process sends the alerts of the whole fleet. */
  readonly alerts: boolean;
}

/**
 * Each part imports its packages itself, so that only the processes that use them load them.
 * @param stopping aborted when the process is asked to stop, before its parts are closed
 */
export function fleetParts({ http, alerts }: PartOptions, stopping: AbortSignal): readonly FleetPart[] {
  return [tracing, ...(http === undefined ? [] : [listening(http, stopping)]), ...(alerts ? [alerting] : [])];
}

const NOTHING: AsyncDisposable = { [Symbol.asyncDispose]: async () => await Promise.resolve() };

async function tracing({ context, fleet }: FleetHost): Promise<AsyncDisposable> {
  const target = traceTarget(context.config.telemetry, context.cli.env);
  if (target === undefined) return NOTHING;
  const { startTraces } = await import("../telemetry/start_traces.ts");
  return await startTraces(fleet, target, { onFailure: (message) => context.log.warn(message) });
}

function listening(given: string | true, stopping: AbortSignal): FleetPart {
  return async ({ context, fleet }) => {
    const { log, cli, config } = context;
    const { startWeb } = await import("../web/start_web.ts");
    const address = given === true ? {} : parseAddress(given);
    const options = { ...config.http, ...address };
    const web = await startWeb(fleet, options, {
      now: cli.now,
      stopping,
      redact: (text) => cli.redactor.message(text),
      onUnexpected: (error) => log.error(errorFields(error), "a request failed unexpectedly"),
      onWrongTokens: (wrong) => log.warn(wrong, "somebody gives wrong tokens over HTTP"),
    });
    log.info(`listening at ${web.url}`);
    if (options.token === undefined && !options.publicReads) {
      log.warn("http.token is not set, so only /healthz and /readyz answer; set it, or http.public_reads for reads");
    }
    return web;
  };
}

async function alerting({ context, fleet }: FleetHost): Promise<AsyncDisposable> {
  const { log, cli, config } = context;
  if (config.alerts === undefined) return NOTHING;
  const { startAlerts } = await import("../alerts/start_alerts.ts");
  return startAlerts(fleet, config.alerts, {
    now: cli.now,
    redact: (text) => cli.redactor.message(text),
    onSent: (alerts) => log.debug({ alerts }, "alerts sent"),
    onFailure: (error) => log.warn(errorFields(error), "alerts could not be sent; will try again"),
  });
}

const ADDRESS = /^(?:(?<host>\[[0-9a-fA-F:]+\]|[^:[\]\s]+):)?(?<port>\d{1,5})$/;

/** `8080`, `0.0.0.0:8080`, `[::]:8080` */
export function parseAddress(text: string): { readonly host?: string; readonly port: number } {
  const groups = ADDRESS.exec(text.trim())?.groups;
  const port = Number(groups?.["port"]);
  const host = groups?.["host"];
  if (!groups || !(port <= 65_535)) {
    throw usageError(
      `--http is not an address: "${text}"`,
      "Write a port, or host:port: 8080, 0.0.0.0:8080, [::1]:8080.",
    );
  }
  return host === undefined ? { port } : { host, port };
}
