/** Where traces of runs go. */
import * as z from "zod";
import { httpUrl, text } from "./values/fields.ts";

export interface TelemetryConfig {
  /** An OTLP/HTTP collector, without `/v1/traces`. Undefined: OTEL_EXPORTER_OTLP_ENDPOINT, or no traces. */
  readonly endpoint: string | undefined;
  /** Undefined: OTEL_SERVICE_NAME, or `replayport`. */
  readonly serviceName: string | undefined;
}

export const telemetrySchema = z
  .strictObject({
    endpoint: httpUrl
      .optional()
      .describe("An OTLP/HTTP collector. OTEL_EXPORTER_OTLP_ENDPOINT works too; headers come from the environment.")
      .meta({ examples: ["http://127.0.0.1:4318"] }),
    service_name: text
      .optional()
      .describe("The service's name in traces.")
      .meta({ examples: ["replayport"] }),
  })
  .describe("OpenTelemetry traces of runs.");

export type TelemetryInput = z.output<typeof telemetrySchema>;

export function resolveTelemetry(input: TelemetryInput | undefined): TelemetryConfig {
  return { endpoint: input?.endpoint, serviceName: input?.service_name };
}
