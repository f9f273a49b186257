/** Shows that a process of the fleet is alive. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Member } from "./fleet.ts";
import { farewell } from "./redis/client.ts";
import type { FleetState } from "./redis/state.ts";

const BEAT_MS = 10_000;

/** `host.pid.xxxx` */
export function memberName(): string {
  return `${hostname()}.${process.pid}.${randomBytes(2).toString("hex")}`;
}

export function beat(
  member: Omit<Member, "startedAt" | "seenAt">,
  state: FleetState,
  now: () => Date,
): AsyncDisposable {
  const startedAt = now();
  let writing = Promise.resolve();
  const write = (): void => {
    // One at a time, and none of it matters: without Redis nobody could read it either.
    writing = writing.then(() => state.seeMember({ ...member, startedAt, seenAt: now() })).catch(() => undefined);
  };
  write();
  const timer = setInterval(write, BEAT_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await farewell(
        state.client,
        writing.then(() => state.forgetMember(member.name)),
      );
    },
  };
}
