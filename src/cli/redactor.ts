/**
 * Removes secrets from text, in whatever form it has them: as they are, as URLs, JSON, SQL, CSV, HTML and ClickHouse's messages
 * escape them, those one in the other, and in Base64, alone or as a part of more, such as of `user:password`.
 */
import { SECRET_NAME } from "../config/secrets.ts";
import { printable } from "../text.ts";

const REDACTED = "[redacted]";
/** Shorter secrets would hide ordinary words. */
const SHORTEST_SECRET = 4;
const SHORTEST_LINE = 16;
/** No message has a longer text of one piece. */
const LONGEST_WHOLE = 4_000;
const LONGEST_MESSAGE = 2_000;

export class Redactor {
  readonly #secrets = new Set<string>();
  /** Longest first: a short secret may be a part of a long one. */
  #forms: readonly RegExp[] = [];
  #base64: readonly string[] = [];

  add(secrets: Iterable<string>): void {
    const before = this.#secrets.size;
    for (const secret of secrets) for (const part of partsOf(secret)) this.#secrets.add(part);
    if (this.#secrets.size === before) return;
    const sorted = [...this.#secrets].sort((a, b) => b.length - a.length);
    this.#forms = sorted.map(anyFormOf);
    this.#base64 = [...new Set(sorted.flatMap(inBase64))];
  }

  /** Also removes characters that drive a terminal. Redact before a text is cut: half a secret isn't recognised. */
  apply(text: string): string {
    const plain = this.#hide(text);
    // Left as it was written, unless there is a secret in it once it's simpler.
    const simple = simplified(plain);
    const again = simple === plain ? plain : this.#hide(simple);
    const clean = again === simple ? plain : again;
    const unsigned = clean.replaceAll(SIGNED, `$1${REDACTED}`).replaceAll(TOKENS, REDACTED);
    return printable(unsigned.replaceAll(AUTHORIZATION, withoutCredentials));
  }

  #hide(text: string): string {
    const plain = this.#forms.reduce((clean, form) => clean.replaceAll(form, REDACTED), text);
    return this.#base64.reduce(withoutRunsAround, plain);
  }

  /** A message of others may be as long as a web page. This redacts it, and then cuts it. */
  message(text: string): string {
    const clean = this.apply(text);
    return clean.length > LONGEST_MESSAGE ? `${clean.slice(0, LONGEST_MESSAGE)}…` : clean;
  }
}

const MOST_TIMES_ESCAPED = 3;
/** A letter or a digit, escaped without need. */
const ESCAPED_LETTER = /(?:%(?:25){0,2}|\\{1,8}x|\\{1,8}u00)(3\d|[46][1-9a-f]|[57][\da])/gi;
/** A break in what has no blanks, as in Base64 of 64 or 76 digits a line. */
const BROKEN_LINE = /([\w+/=-]{60,76})\r?\n(?=[\w+/=-])/g;

/** Without what hides a secret from its forms: escaped letters, broken lines, and characters that are removed later. */
function simplified(text: string): string {
  let simple = printable(text).replaceAll(BROKEN_LINE, "$1");
  for (let time = 0; time < MOST_TIMES_ESCAPED; time += 1) {
    simple = simple.replaceAll(ESCAPED_LETTER, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return simple;
}

/** What is a credential whoever it belongs to: in a signed request, in a header, AWS's temporary tokens, and JSON Web Tokens. */
const SIGNED = /(X-Amz-(?:Security-Token|Signature|Credential)(?:=|%3D|: ?|": ?"))[\w+/.~%-]{8,}={0,2}/gi;
const TOKENS = /\b(?:(?:IQoJ|FwoG|FQoG)[\w+/-]{40,}={0,2}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})/g;
const AUTHORIZATION = /\b(Basic|Bearer)( {1,4})([\w+/.~-]{6,}={0,2})/gi;

/** Leaves "Basic authentication" as it is. */
function withoutCredentials(found: string, scheme: string, space: string, given: string): string {
  const isBasic = scheme.toLowerCase() === "basic";
  const is = isBasic ? Buffer.from(given, "base64").includes(":") : given.length >= 16 && /\d/.test(given);
  return is ? `${scheme}${space}${REDACTED}` : found;
}

/** A key of several lines is hidden line by line: no message has all of it, and a part is as bad. */
function partsOf(secret: string): string[] {
  const inside = secret.trimStart().startsWith("{") ? secretsOfJson(secret) : [];
  const lines = secret.split(/\r?\n|\\n/).map((line) => line.trim());
  const whole = secret.length >= SHORTEST_SECRET && secret.length <= LONGEST_WHOLE ? [secret] : [];
  if (lines.length === 1) return [...inside, ...whole];
  return [...inside, ...whole, ...lines.filter((line) => line.length >= SHORTEST_LINE && !line.startsWith("-----"))];
}

/** The secrets in a service account's key. */
function secretsOfJson(text: string): string[] {
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return entries.flatMap(([name, value]) =>
      typeof value === "string" && SECRET_NAME.test(name) ? partsOf(value) : [],
    );
  } catch {
    return [];
  }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos" };
const LETTERS: Readonly<Record<string, string>> = { "\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\0": "0" };

function anyFormOf(secret: string): RegExp {
  const parts = secret.match(/(['"])\1*|[^]/gu) ?? [];
  const forms = parts.map((part) => {
    const form = anyFormOfCharacter(Array.from(part)[0] ?? "");
    // SQL and CSV double quotes.
    return /['"]/.test(part) ? `${form}{${part.length},${2 * part.length}}` : form;
  });
  return new RegExp(forms.join(""), "gu");
}

/** The character, maybe with backslashes before it, or as an escape: percent, \x, \u, an entity. */
function anyFormOfCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const literal = `\\u{${code.toString(16)}}`;
  // Nearly every character of nearly every secret: no format escapes it.
  if (/[A-Za-z0-9]/.test(character)) return literal;
  const bytes = [...Buffer.from(character)].map((byte) => caseless(byte.toString(16).padStart(2, "0")));
  const units = Array.from({ length: character.length }, (_, at) =>
    caseless(character.charCodeAt(at).toString(16).padStart(4, "0")),
  );
  const letter = LETTERS[character];
  const entity = ENTITIES[character];
  const forms = [
    character === "\\" ? `${literal}{1,16}` : `\\\\{0,8}${literal}`,
    bytes.map((byte) => `%(?:25){0,2}${byte}`).join(""),
    bytes.map((byte) => `\\\\{1,8}x${byte}`).join(""),
    units.map((unit) => `\\\\{1,8}u${unit}`).join(""),
    `&(?:amp;)?#(?:0*${code}|[xX]0*${caseless(code.toString(16))});`,
    ...(letter === undefined ? [] : [`\\\\{1,8}${letter}`]),
    ...(entity === undefined ? [] : [`&(?:amp;)?${entity};`]),
    ...(character === " " ? ["\\+"] : []),
  ];
  return `(?:${forms.join("|")})`;
}

function caseless(hex: string): string {
  return hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

/**
 * The Base64 of the secret, wherever it stands in the bytes that were encoded: three texts, for its place modulo three. Digits
 * that the bytes before or after it decide as well are left off.
 */
function inBase64(secret: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    const digits = bytes.toString("base64").slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
    const urlSafe = digits.replaceAll("+", "-").replaceAll("/", "_");
    return digits.length < SHORTEST_SECRET ? [] : [digits, urlSafe, encodeURIComponent(digits)];
  });
}

const BASE64_DIGIT = /[A-Za-z0-9+/_-]/;
const BASE64_END = /[A-Za-z0-9+/_%=-]/;

/** Removes the whole run of Base64 around the part: its other digits belong to the same credential. */
function withoutRunsAround(text: string, part: string): string {
  let found = text.indexOf(part);
  if (found < 0) return text;
  let clean = "";
  let at = 0;
  while (found >= 0) {
    let start = found;
    while (start > at && BASE64_DIGIT.test(text.charAt(start - 1))) start -= 1;
    let end = found + part.length;
    while (end < text.length && BASE64_END.test(text.charAt(end))) end += 1;
    clean += text.slice(at, start) + REDACTED;
    at = end;
    found = text.indexOf(part, at);
  }
  return clean + text.slice(at);
}
