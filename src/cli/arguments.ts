/** Arguments and options that several commands share. */
import { hostname, userInfo } from "node:os";
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../config/values/units.ts";
import { giveUp, ReplayportError } from "../errors.ts";
import { printable } from "../text.ts";

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Write a whole number, 1 or more.");
  return value;
}

export function portNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError("Write 0 to 65535.");
  return value;
}

/** `90s`, `5m`, `2h`. @returns milliseconds */
export function durationOption(text: string): number {
  const parsed = parseDuration(text);
  if ("value" in parsed && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError("value" in parsed ? "Write more than 0." : parsed.fix);
}

/** Who runs the command, for the fleet's record of pauses and backfills. */
export const operator = (): string => printable(`${userInfo().username}@${hostname()}`);

export function usageError(message: string, hint: string): ReplayportError {
  return new ReplayportError(message, giveUp("cli.options", hint));
}
