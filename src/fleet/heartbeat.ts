/** Shows that a process of the fleet is alive. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { FleetProcess } from "./fleet.ts";
import { finishWithin } from "./redis/client.ts";
import type { FleetState } from "./redis/state.ts";

const HEARTBEAT_MS = 10_000;

/** `host.pid.xxxx` */
export function processName(): string {
  return `${hostname()}.${process.pid}.${randomBytes(2).toString("hex")}`;
}

/** Disposing it removes the process from the list. */
export function startHeartbeat(
  self: Omit<FleetProcess, "startedAt" | "seenAt">,
  state: FleetState,
  now: () => Date,
): AsyncDisposable {
  const startedAt = now();
  let writing = Promise.resolve();
  const write = (): void => {
    // Best effort: if Redis is down, nobody can read heartbeats anyway.
    writing = writing.then(() => state.recordHeartbeat({ ...self, startedAt, seenAt: now() })).catch(() => undefined);
  };
  write();
  const timer = setInterval(write, HEARTBEAT_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await finishWithin(
        state.client,
        writing.then(() => state.removeHeartbeat(self.name)),
      );
    },
  };
}
