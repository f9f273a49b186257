/** A worker that is killed, as BigQuery sees it: a proxy lets nothing more of it through. Each request is a step. */
import type { Destination } from "../../../destinations/destination.ts";
import type { Crash } from "../../support/crash.ts";
import type { Decide, FaultProxy, ProxiedRequest } from "../../support/fault_proxy.ts";

/** @param open opens the destination at an address */
export function crashingBigQuery(proxy: FaultProxy, crash: Crash, open: (url: string) => Destination): Destination {
  proxy.decide(crashingRequests(crash));
  const destination = open(proxy.url);
  const load = destination.load.bind(destination);
  destination.load = (batch, signal) => load(batch, AbortSignal.any([signal, crash.signal]));
  return destination;
}

function crashingRequests(crash: Crash): Decide {
  let last = "";
  return (request) => {
    const step = stepOf(request);
    const fate = step === last && crash.at === undefined ? "done" : crash.arrive(step);
    last = step;
    switch (fate) {
      case "done":
        return undefined;
      case "lost":
        return { kind: "cut-answer" };
      case "refused":
        return { kind: "cut-request" };
      default:
        return fate satisfies never;
    }
  };
}

/** Requests that ask again how a job is doing are one step. */
function stepOf({ method, path }: ProxiedRequest): string {
  return `${method} ${path.replace(/\?.*/, "")}`;
}
