/** A piece of SQL text. */
export interface Token {
  readonly kind: "word" | "quoted" | "string" | "punctuation" | "unclosed";
  readonly text: string;
  /** The text in upper case where it is a word, to compare with keywords; empty for all else. */
  readonly word: string;
  /** Offsets in the SQL text, half-open. */
  readonly start: number;
  readonly end: number;
}

/**
 * Splits SQL into tokens without comments and white space, lazily: the data of an INSERT follows its statement, and is
 * not SQL. The rules are those of ClickHouse 26.7 (nested comments, `//` and `# ` comments, heredocs, typographic
 * quotes), each seen by asking the engine.
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
const SPACE = /(?:[\s\0]|--[^\n]*|\/\/[^\n]*|#[ !][^\n]*|\u00c2\u00a0|\u00e3\u0080\u0080|\u00ef\u00bb\u00bf)+/y;
const WORD = /(?:[\w$]|[\u0080-\u00ff])+/y;
const HEREDOC = /\$\w*\$/y;

// Quotes that end where they are doubled or escaped do not count; typographic ones know neither.
const QUOTES: readonly (readonly [open: string, kind: "string" | "quoted", body: RegExp])[] = [
  ["'", "string", /'(?:[^'\\]|\\[^]|'')*'/y],
  ['"', "quoted", /"(?:[^"\\]|\\[^]|"")*"/y],
  ["`", "quoted", /`(?:[^`\\]|\\[^]|``)*`/y],
  ["\u00e2\u0080\u0098", "string", /\u00e2\u0080\u0098[^]*?\u00e2\u0080\u0099/y],
  ["\u00e2\u0080\u009c", "quoted", /\u00e2\u0080\u009c[^]*?\u00e2\u0080\u009d/y],
];

function tokenAt(sql: string, start: number): Token {
  for (const [open, kind, body] of QUOTES) {
    if (!sql.startsWith(open, start)) continue;
    const end = matchAt(body, sql, start);
    if (end === start) return token("unclosed", sql, start, sql.length);
    return token(kind, sql, start, end);
  }
  const tag = matchAt(HEREDOC, sql, start);
  if (tag > start) {
    const mark = sql.slice(start, tag);
    const close = sql.indexOf(mark, tag);
    if (close < 0) return token("unclosed", sql, start, sql.length);
    return token("string", sql, start, close + mark.length);
  }
  const word = matchAt(WORD, sql, start);
  if (word > start) return token("word", sql, start, word);
  return token("punctuation", sql, start, start + 1);
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
