/** Traces of this process' runs. OpenTelemetry's packages are loaded here, and only if there is a collector. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "../fleet/fleet.ts";
import { VERSION } from "../version.ts";
import type { TraceTarget } from "./endpoint.ts";

export interface TraceDependencies {
  /** Called once per series of failures. The message contains no header and no address. */
  readonly onFailure: (message: string) => void;
}

/** How long sending the last spans may take at shutdown. */
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
  // The SDK reports failures to its own logger, which is silent by default.
  const reporting: typeof exporter = Object.create(exporter, {
    export: {
      value: ((batch, done) => {
        exporter.export(batch, (result) => {
          if (result.error && !failing) onFailure("can't send traces; runs continue without them");
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
      const deadline = Promise.race([provider.shutdown(), sleep(CLOSE_MS, undefined, { ref: false })]);
      // A failure was reported when it happened.
      await deadline.catch(() => undefined);
    },
  };
}
