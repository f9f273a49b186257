/** Passes events to the listeners of this process. */
import type { FleetEvent, FleetListener } from "./fleet.ts";

export interface Events {
  readonly emit: (event: FleetEvent) => void;
  readonly onEvent: (listener: FleetListener) => Disposable;
}

/** @param onFault gets what a listener throws: a fault in a metric must not fail a batch */
export function createEvents(onFault: (error: unknown) => void): Events {
  const listeners = new Set<FleetListener>();
  return {
    emit: (event) => {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          onFault(error);
        }
      }
    },
    onEvent: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
