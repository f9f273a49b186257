/** An error as the fleet stores and shows it: redacted, without a stack. */
import { ReplayportError, messageOf } from "../errors.ts";
import type { FleetError } from "./fleet.ts";

/** An error that isn't ours counts as final: it's more often a bug than an outage. @param redact removes secrets from a text */
export function fleetError(error: unknown, at: Date, redact: (text: string) => string): FleetError {
  if (error instanceof ReplayportError) {
    const { code, message, hint, remedy } = error;
    return { code, message: redact(message), hint: hint === undefined ? undefined : redact(hint), remedy, at };
  }
  const hint = "This is a bug in Replayport. Please report it with the worker's log.";
  return { code: "unexpected", message: redact(messageOf(error)), hint, remedy: "give-up", at };
}
