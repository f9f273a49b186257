import { giveUp, ReplayportError } from "../../src/errors.ts";

/** The error of a file of the table that isn't what the format says. @param what names the file or the part of it */
export function unreadable(what: string, reason: string, cause?: unknown): ReplayportError {
  return new ReplayportError(`Can't read ${what}: ${reason}`, {
    ...giveUp(
      "iceberg.unreadable",
      "Read the table with another engine. If that works, please report this; else roll the table back to an older snapshot.",
    ),
    cause,
  });
}
