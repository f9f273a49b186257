/** Where traces of runs go. */
import * as z from "zod";
import { httpUrl, optional, text } from "./values/fields.ts";

export interface TelemetryConfig {
  /** An OTLP/HTTP collector, without `/v1/traces`. Undefined: OTEL_EXPORTER_OTLP_ENDPOINT, or no traces. */
  readonly endpoint: string | undefined;
  /** Undefined: OTEL_SERVICE_NAME, or `replayport`. */
  readonly serviceName: string | undefined;
}

export const telemetrySchema = z
  .strictObject({
    endpoint: optional(
      httpUrl,
      "An OTLP/HTTP collector. OTEL_EXPORTER_OTLP_ENDPOINT works too; headers come from the environment.",
      "http://127.0.0.1:4318",
    ),
    service_name: optional(text, "The service's name in traces.", "replayport"),
  })
  .describe("OpenTelemetry traces of runs.");

export type TelemetryInput = z.output<typeof telemetrySchema>;

export function resolveTelemetry(input: TelemetryInput | undefined): TelemetryConfig {
  return { endpoint: input?.endpoint, serviceName: input?.service_name };
}
