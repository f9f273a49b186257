/** Logs: JSON lines by pino on stderr, pretty on a terminal; secrets are taken out of every line. */
import { type Logger, destination, pino } from "pino";
import pretty from "pino-pretty";
import { ReplayportError } from "../errors.ts";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  readonly terminal: boolean;
}

/** A secret that is shorter would blot out ordinary words. */
const SHORTEST_SECRET = 4;

/** Takes secrets out of text: as they are, as JSON has them, and as a URL has them. */
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

/** An error as a log line shows it: a stack only where nobody foresaw the error. */
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
