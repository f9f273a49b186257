/** A piece of SQL text. */
export interface Token {
  readonly kind: "word" | "quoted" | "string" | "punctuation" | "unclosed";
  readonly text: string;
  /** A word in upper case, to compare with keywords. Empty for other tokens. */
  readonly word: string;
  /** Offsets in the SQL text, half-open. */
  readonly start: number;
  readonly end: number;
}

/**
 * Splits SQL into tokens, without comments and white space. Lazily, because the data that follows an INSERT isn't SQL.
 * The rules are those of ClickHouse 26.7 (nested comments, `//` and `# ` comments, heredocs, typographic quotes), each
 * verified with the engine.
 *
 * @param sql one character per byte (latin1), so that offsets are offsets of bytes
 */
export function* tokens(sql: string): Generator<Token> {
  let at = 0;
  while (at < sql.length) {
    const space = matchAt(SPACE, sql, at);
    if (space > at) {
      at = space;
      continue;
    }
    if (sql.startsWith("/*", at)) {
      const end = endOfComment(sql, at);
      if (end < 0) {
        yield token("unclosed", sql, at, sql.length);
        return;
      }
      at = end;
      continue;
    }
    const next = tokenAt(sql, at);
    yield next;
    at = next.end;
  }
}

// ASCII white space, NUL, comments to the end of the line, and (as UTF-8 bytes) NBSP, the ideographic space and the BOM.
const SPACE = /[ \t\n\r\f\v\0]+|--[^\n]*|\/\/[^\n]*|#[ !][^\n]*|\u00c2\u00a0|\u00e3\u0080\u0080|\u00ef\u00bb\u00bf/y;
const WORD = /(?:(?!\u00c2\u00a0|\u00e3\u0080\u0080|\u00e2\u0080[\u0098\u0099\u009c\u009d])[\w$\u0080-\u00ff])+/y;
const HEREDOC = /\$\w*\$/y;

const QUOTES: readonly (readonly [open: string, close: string, kind: "string" | "quoted"])[] = [
  ["'", "'", "string"],
  ['"', '"', "quoted"],
  ["`", "`", "quoted"],
  ["\u00e2\u0080\u0098", "\u00e2\u0080\u0099", "string"],
  ["\u00e2\u0080\u009c", "\u00e2\u0080\u009d", "quoted"],
];

function tokenAt(sql: string, start: number): Token {
  for (const [open, close, kind] of QUOTES) {
    if (!sql.startsWith(open, start)) continue;
    const end = open === close ? endOfQuoted(sql, start, open) : endAfter(sql, close, start + open.length);
    return end < 0 ? token("unclosed", sql, start, sql.length) : token(kind, sql, start, end);
  }
  const tag = matchAt(HEREDOC, sql, start);
  if (tag > start) {
    const end = endAfter(sql, sql.slice(start, tag), tag);
    return end < 0 ? token("unclosed", sql, start, sql.length) : token("string", sql, start, end);
  }
  const word = matchAt(WORD, sql, start);
  return word > start ? token("word", sql, start, word) : token("punctuation", sql, start, start + 1);
}

/** Doubled and escaped quotes don't end the text. No regular expression, because it would run out of stack. */
function endOfQuoted(sql: string, start: number, quote: string): number {
  for (let at = start + 1; at < sql.length; at++) {
    const character = sql[at];
    if (character === "\\") at++;
    else if (character === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return -1;
}

function endAfter(sql: string, text: string, from: number): number {
  const at = sql.indexOf(text, from);
  return at < 0 ? -1 : at + text.length;
}

function token(kind: Token["kind"], sql: string, start: number, end: number): Token {
  const text = sql.slice(start, end);
  return { kind, text, word: kind === "word" ? text.toUpperCase() : "", start, end };
}

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function endOfComment(sql: string, start: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  let depth = 0;
  for (let found = mark.exec(sql); found; found = mark.exec(sql)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return -1;
}
