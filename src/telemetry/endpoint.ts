/** Where traces go: the config, else the environment variables of the OpenTelemetry specification. */

export interface TraceOptions {
  /** An OTLP/HTTP collector, without `/v1/traces`. Undefined: from the environment. */
  readonly endpoint: string | undefined;
  readonly serviceName: string | undefined;
}

export interface TraceTarget {
  readonly url: string;
  readonly serviceName: string;
}

/**
 * Undefined: no traces, and no OpenTelemetry package is loaded. The exporter itself reads headers, such as a collector's key,
 * from OTEL_EXPORTER_OTLP_HEADERS.
 */
export function traceTarget(
  options: TraceOptions,
  env: Readonly<Record<string, string | undefined>>,
): TraceTarget | undefined {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  if (given("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || given("OTEL_TRACES_EXPORTER") === "none")
    return undefined;
  const base = options.endpoint ?? given("OTEL_EXPORTER_OTLP_ENDPOINT");
  const own = options.endpoint === undefined ? given("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") : undefined;
  const url = own ?? (base === undefined ? undefined : `${base.replace(/\/+$/, "")}/v1/traces`);
  const serviceName = options.serviceName ?? given("OTEL_SERVICE_NAME") ?? "replayport";
  return url === undefined ? undefined : { url, serviceName };
}
