import { randomInt } from "node:crypto";

/** The name of an attempt: 12 characters of [0-9a-z], or 62 random bits, so that two attempts never share one. */
export function newAttempt(): string {
  return Array.from({ length: 12 }, () => randomInt(36).toString(36)).join("");
}
