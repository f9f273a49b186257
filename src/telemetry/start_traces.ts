/** Traces of this process' runs. The packages of OpenTelemetry are loaded here and only when there is somewhere to send to. */
import type { Fleet } from "../fleet/fleet.ts";
import { VERSION } from "../version.ts";
import type { TraceTarget } from "./endpoint.ts";

export interface TraceDependencies {
  /** Once in a row of failures. The message names no header and no address. */
  readonly onFailure: (message: string) => void;
}

/** Spans that are still to be sent at the end get so long. */
const CLOSE_MS = 3_000;
const SEND_MS = 10_000;

export async function startTraces(
  fleet: Fleet,
  target: TraceTarget,
  { onFailure }: TraceDependencies,
): Promise<AsyncDisposable> {
  const [sdk, otlp, resources, conventions, spans] = await Promise.all([
    import("@opentelemetry/sdk-trace-node"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/semantic-conventions"),
    import("./run_spans.ts"),
  ]);
  const exporter = new otlp.OTLPTraceExporter({ url: target.url, timeoutMillis: SEND_MS });
  let failing = false;
  // The SDK tells failures to a logger of its own, which is silent by default.
  const reporting: typeof exporter = Object.create(exporter, {
    export: {
      value: ((batch, done) => {
        exporter.export(batch, (result) => {
          if (result.error && !failing) onFailure("traces cannot be sent; runs go on without them");
          failing = result.error !== undefined;
          done(result);
        });
      }) satisfies typeof exporter.export,
    },
  }) as typeof exporter;
  const provider = new sdk.NodeTracerProvider({
    resource: resources.defaultResource().merge(
      resources.resourceFromAttributes({
        [conventions.ATTR_SERVICE_NAME]: target.serviceName,
        [conventions.ATTR_SERVICE_VERSION]: VERSION,
      }),
    ),
    spanProcessors: [new sdk.BatchSpanProcessor(reporting)],
  });
  const listening = fleet.onEvent(spans.runSpans(provider.getTracer("replayport", VERSION)));
  return {
    async [Symbol.asyncDispose]() {
      listening[Symbol.dispose]();
      const deadline = Promise.race([
        provider.shutdown(),
        new Promise<void>((resolve) => {
          setTimeout(resolve, CLOSE_MS).unref();
        }),
      ]);
      // What could not be sent was said when it failed.
      await deadline.catch(() => undefined);
    },
  };
}
