/** The kinds of fields in the schema. The JSON Schema for editors shows what each takes. */
import * as z from "zod";
import { DURATION_PATTERN, formatDuration, type Parsed, parseDuration, parseSize, SIZE_PATTERN } from "./units.ts";

/** Names of exports and destinations. They go into folders, S3 keys, job ids and tables. */
export const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** The key of a mapping. config.ts checks it, because zod skips the value of a key that it refuses. */
export const name = z.string().meta({ pattern: NAME.source });

/** A text that is parsed. A refusal becomes an issue with a `fix` among its parameters. */
export function parsed<T>(parse: (text: string) => Parsed<T>, meta: Readonly<Record<string, unknown>> = {}) {
  return z
    .string()
    .meta(meta)
    .transform((text, context): T => {
      const result = parse(text);
      if ("value" in result) return result.value;
      context.issues.push({ code: "custom", message: result.problem, params: { fix: result.fix }, input: text });
      return z.NEVER;
    });
}

/** Milliseconds, both bounds included. */
export function duration(minMs: number, maxMs: number) {
  const fix = `Write at least ${formatDuration(minMs)} and at most ${formatDuration(maxMs)}.`;
  return parsed<number>(
    (text) => {
      const result = parseDuration(text);
      if (!("value" in result)) return result;
      if (result.value < minMs) return { problem: "too short", fix };
      return result.value > maxMs ? { problem: "too long", fix } : result;
    },
    { pattern: DURATION_PATTERN },
  );
}

/** Bytes. */
export function size(minBytes: number, minText: string) {
  const check = (bytes: number): Parsed<number> =>
    bytes >= minBytes ? { value: bytes } : { problem: "too small", fix: `Write at least ${minText}.` };
  return z.union([
    z.int().min(minBytes),
    parsed<number>(
      (text) => {
        const result = parseSize(text);
        return "value" in result ? check(result.value) : result;
      },
      { pattern: SIZE_PATTERN },
    ),
  ]);
}

/** Any spelling that URL takes: an editor can check no more of an address. */
export const HTTP_URL_PATTERN = String.raw`^\s*[Hh][Tt][Tt][Pp][Ss]?:`;

/** An http(s) address, without a trailing slash. */
export const httpUrl = parsed<string>(
  (text) => {
    const fix = "Write an address such as https://host:8443, with http:// or https:// before it.";
    const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
    if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return { problem: "not a web address", fix };
    if (url.username !== "" || url.password !== "") {
      return { problem: "an address with a name or password in it", fix: "Use the keys for them instead." };
    }
    if (url.search !== "" || url.hash !== "") {
      return { problem: "an address with a query or a fragment", fix: "Remove the ? or # and what follows it." };
    }
    return { value: (url.origin + url.pathname).replace(/\/+$/, "") };
  },
  { pattern: HTTP_URL_PATTERN },
);

export const text = z.string().min(1);

export const matching = (pattern: RegExp) => z.string().regex(pattern);

/** A key with its description and examples, for editors and for messages about a value that doesn't fit. */
export function field<T extends z.ZodType>(schema: T, description: string, ...examples: readonly unknown[]): T {
  return schema.meta(examples.length === 0 ? { description } : { description, examples: [...examples] });
}

/** The same for a key that may be missing. */
export function optional<T extends z.ZodType>(schema: T, description: string, ...examples: readonly unknown[]) {
  return field(schema.optional(), description, ...examples);
}

/**
 * Marks a field whose value no message, log or page may show: JSON Schema's own keyword for passwords. A secret field
 * without it is hidden only if its name says so (secrets.ts).
 */
export const SECRET = { writeOnly: true } as const;

export const secret = text.meta(SECRET);
