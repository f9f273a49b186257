/** Where traces of runs go. */
import * as z from "zod";
import { httpUrl, optional, text } from "./values/fields.ts";

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

export function resolveTelemetry(input: z.output<typeof telemetrySchema> | undefined) {
  return { endpoint: input?.endpoint, serviceName: input?.service_name };
}
