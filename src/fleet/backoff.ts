/** When a failed attempt is followed by the next. */
import { ReplayportError } from "../errors.ts";
import type { FleetError } from "./fleet.ts";

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/** Doubles with each attempt, up to a minute; by half at random, so that what failed together does not come back together. */
export function backoffMs(attempt: number, random: () => number): number {
  const whole = Math.min(FIRST_MS * 2 ** Math.min(attempt - 1, 20), LONGEST_MS);
  return Math.round(whole * (0.5 + random() / 2));
}

/** At least what the other side asked for. */
export function delayAfter(error: unknown, attempt: number, random: () => number): number {
  const asked = error instanceof ReplayportError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, backoffMs(attempt, random));
}

/**
 * As it is kept and shown. What nobody foresaw counts as final: it is more often a fault of the program than an outage.
 * @param redact takes secrets out of a text
 */
export function fleetError(error: unknown, at: Date, redact: (text: string) => string): FleetError {
  if (error instanceof ReplayportError) {
    const { code, message, hint, remedy } = error;
    return { code, message: redact(message), hint: hint === undefined ? undefined : redact(hint), remedy, at };
  }
  const message = redact(error instanceof Error ? error.message : String(error));
  const hint = "Nobody foresaw this error; please report it with the log of the worker.";
  return { code: "unexpected", message, hint, remedy: "give-up", at };
}
