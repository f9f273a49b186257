/** Logs to stderr: JSON lines, or readable text on a terminal. Secrets are removed from every line. */
import { type Logger, destination, pino } from "pino";
import pretty from "pino-pretty";
import { ReplayportError } from "../errors.ts";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  readonly terminal: boolean;
}

/** Shorter secrets would hide ordinary words. */
const SHORTEST_SECRET = 4;

/** Removes secrets from text: as they are, as JSON escapes them, and as a URL encodes them. */
export class Redactor {
  #forms: string[] = [];

  add(secrets: Iterable<string>): void {
    const forms = new Set(this.#forms);
    for (const secret of secrets) {
      if (secret.length < SHORTEST_SECRET) continue;
      forms.add(secret);
      forms.add(JSON.stringify(secret).slice(1, -1));
      forms.add(encodeURIComponent(secret));
      forms.add(new URLSearchParams([["", secret]]).toString().slice(1));
    }
    // The longest first: a short secret may be a part of a long one.
    this.#forms = [...forms].sort((a, b) => b.length - a.length);
  }

  apply(text: string): string {
    return this.#forms.reduce((clean, form) => clean.replaceAll(form, "[redacted]"), text);
  }
}

/** An error as a log line shows it. Only unexpected errors have a stack. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (error instanceof ReplayportError) {
    const { message, code, remedy, hint } = error;
    return { error: message, code, remedy, hint };
  }
  return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function createLogger(options: LogOptions, redactor: Redactor): Logger {
  const sink = options.terminal
    ? pretty({ colorize: true, ignore: "pid,hostname", translateTime: "HH:MM:ss", destination: 2, sync: true })
    : destination({ fd: 2, sync: true });
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void sink.write(redactor.apply(line)) },
  );
}
