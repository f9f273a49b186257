/** Logs to stderr: JSON lines, or readable text on a terminal. Secrets are removed from every line. */
import { type Logger, destination, pino } from "pino";
import pretty from "pino-pretty";
import { ReplayportError } from "../errors.ts";
import { wrap } from "./output.ts";
import type { Redactor } from "./redactor.ts";

export type { Logger } from "pino";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Undefined off a terminal: the log is JSON lines then. */
  readonly terminal: { readonly width: number; readonly colours: boolean } | undefined;
}

/** An error as a log line shows it. Only unexpected errors have a stack. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (error instanceof ReplayportError) {
    const { message, code, remedy, hint } = error;
    return { error: message, code, remedy, hint };
  }
  return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function redactedFields(fields: Readonly<Record<string, unknown>>, redactor: Redactor): Record<string, unknown> {
  const clean = (value: unknown): unknown => (typeof value === "string" ? redactor.message(value) : value);
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, clean(value)]));
}

/** `pino-pretty` writes what JSON escapes as it is, and so what drives a terminal. */
function withoutEscapes(line: string): string {
  return line.replaceAll(/\\(?:u[0-9a-fA-F]{4}|.)/g, (escape) => (/^\\u00[01]/.test(escape) ? "" : escape));
}

/** On a terminal, the error and what to do about it are lines of their own, wrapped, below the message. */
function readable({ width, colours }: NonNullable<LogOptions["terminal"]>) {
  return pretty({
    colorize: colours,
    ignore: "pid,hostname,error,hint",
    translateTime: "HH:MM:ss",
    destination: 2,
    sync: true,
    messageFormat: (line, key) => {
      const { error, hint } = line as { readonly error?: string; readonly hint?: string };
      const below = [
        ...(error === undefined ? [] : [wrap(error, width, "    ")]),
        ...(hint === undefined ? [] : [wrap(`what to do: ${hint}`, width, "    ")]),
      ];
      return [String(line[key]), ...below].join("\n");
    },
  });
}

export function createLogger({ level, terminal }: LogOptions, redactor: Redactor): Logger {
  const sink = terminal ? readable(terminal) : destination({ fd: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { log: (fields) => redactedFields(fields, redactor) },
    },
    {
      write: (line: string) => {
        const clean = redactor.apply(line);
        sink.write(terminal ? withoutEscapes(clean) : clean);
      },
    },
  );
}
