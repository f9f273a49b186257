/**
 * Spans from the fleet's events. Each attempt of a run is a trace with the root `run`; below it `source` (counts the sessions),
 * `stage` (one per file, from the source to local disk) and `load` (from the first staged file to the receipt; overlaps with the
 * staging of later files).
 */
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { FleetEvent, FleetListener } from "../fleet/fleet.ts";

type RunEvent = Extract<FleetEvent, { readonly run: string; readonly attempt: number }>;

interface Open {
  readonly span: Span;
  readonly startedAt: Date;
  files: number;
  /** When loading could begin. */
  firstStagedAt: Date | undefined;
}

export function runSpans(tracer: Tracer): FleetListener {
  const open = new Map<string, Open>();
  return (event) => {
    if (!("attempt" in event)) return;
    const key = `${event.run}#${event.attempt}`;
    if (event.kind === "run.started") {
      // If the same attempt begins again, the first one was lost.
      open.get(key)?.span.end(event.at);
      open.set(key, begin(tracer, event));
      return;
    }
    const known = open.get(key);
    if (!known) return;
    if (event.kind === "run.stage") {
      addStage(tracer, known, event);
      return;
    }
    open.delete(key);
    finish(tracer, known, event);
  };
}

function begin(tracer: Tracer, event: RunEvent & { readonly kind: "run.started" }): Open {
  const span = tracer.startSpan(
    "run",
    {
      root: true,
      kind: SpanKind.CONSUMER,
      startTime: event.at,
      attributes: {
        "replayport.export": event.export,
        "replayport.run": event.run,
        "replayport.interval.start": event.interval.start.toISOString(),
        "replayport.interval.end": event.interval.end.toISOString(),
        "replayport.attempt": event.attempt,
        "replayport.waited_seconds": event.waitedSeconds,
        ...(event.backfill === undefined ? {} : { "replayport.backfill": event.backfill }),
      },
    },
    ROOT_CONTEXT,
  );
  return { span, startedAt: event.at, files: 0, firstStagedAt: undefined };
}

function child(tracer: Tracer, parent: Open, name: string, from: Date, to: Date, attributes: Attributes): void {
  const context = trace.setSpan(ROOT_CONTEXT, parent.span);
  tracer.startSpan(name, { startTime: from, attributes }, context).end(to);
}

function addStage(tracer: Tracer, known: Open, event: RunEvent & { readonly kind: "run.stage" }): void {
  const from = new Date(Math.max(event.at.getTime() - event.seconds * 1000, known.startedAt.getTime()));
  switch (event.stage) {
    case "counted":
      child(tracer, known, "source", from, event.at, {
        "replayport.sessions": event.sessions,
        "replayport.files": event.files,
      });
      return;
    case "staged":
      child(tracer, known, "stage", from, event.at, {
        "replayport.file": known.files,
        "replayport.rows": event.rows,
        "replayport.bytes": event.bytes,
      });
      known.files += 1;
      known.firstStagedAt ??= event.at;
  }
}

function finish(
  tracer: Tracer,
  known: Open,
  event: Exclude<RunEvent, { readonly kind: "run.started" | "run.stage" }>,
): void {
  const { span } = known;
  span.setAttribute("replayport.outcome", event.kind.slice("run.".length));
  switch (event.kind) {
    case "run.loaded": {
      const counts = {
        "replayport.rows": event.rows,
        "replayport.bytes": event.bytes,
        "replayport.files": event.files,
      };
      // An empty batch has a receipt but no file. Then loading is the rest of the time.
      const from = known.firstStagedAt ?? new Date(event.at.getTime() - event.loadSeconds * 1000);
      child(tracer, known, "load", from, event.at, counts);
      span.setAttributes(counts);
      span.setStatus({ code: SpanStatusCode.OK });
      break;
    }
    case "run.retrying":
    case "run.failed": {
      const { code, message, hint, remedy } = event.error;
      span.setAttributes({
        "error.type": code,
        "replayport.remedy": remedy,
        ...(hint === undefined ? {} : { "replayport.hint": hint }),
        ...(event.kind === "run.retrying" ? { "replayport.retry_delay_ms": event.delayMs } : {}),
      });
      span.setStatus({ code: SpanStatusCode.ERROR, message });
      break;
    }
    case "run.covered":
    case "run.audited":
    case "run.released":
    case "run.cancelled":
      break;
  }
  span.end(event.at);
}
