/** The kinds of values that the schema is made of. What each takes in is what the JSON Schema shows to editors. */
import * as z from "zod";
import { DURATION_PATTERN, formatDuration, type Parsed, parseDuration, parseSize, SIZE_PATTERN } from "./units.ts";

/** Exports and destinations: safe in a folder, an S3 key, a job id and a table. */
export const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** The key of a mapping. Checked in config.ts: zod passes over the value of a key that it refuses. */
export const name = z.string().meta({ pattern: NAME.source });

/** A text that means something. Refusals become issues with a `fix` among their parameters. */
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

/** Milliseconds; both bounds are allowed. */
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

/** An http(s) address without a slash at its end. */
export const httpUrl = parsed<string>((text) => {
  const fix = "Write an address such as https://host:8443, with http:// or https:// before it.";
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return { problem: "not a web address", fix };
  if (url.username !== "" || url.password !== "") {
    return { problem: "an address with a name or password in it", fix: "Give them by keys of their own." };
  }
  if (url.search !== "" || url.hash !== "") {
    return { problem: "an address with a query or a fragment", fix: "Leave out what follows ? or #." };
  }
  return { value: (url.origin + url.pathname).replace(/\/+$/, "") };
});

export const text = z.string().min(1);

/**
 * Marks a field whose value no message, log or page may show: JSON Schema's own keyword for passwords. A secret field
 * without it is hidden only if its name says so (secrets.ts).
 */
export const SECRET = { writeOnly: true } as const;

export const secret = text.meta(SECRET);
