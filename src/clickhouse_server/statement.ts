import { ServerException, syntaxError } from "./exception.ts";
import { refuseFiles } from "./refusals.ts";
import { type Token, tokens } from "./tokens.ts";

/** What it takes to run a statement. Texts are latin1: one character per byte of the UTF-8 text. */
export type Statement =
  /** The engine can write its result to a file: `${before} INTO OUTFILE … ${after}`. */
  | { readonly kind: "rows"; readonly format: string | undefined; readonly before: string; readonly after: string }
  /** Its rows follow the statement, from `dataAt` on: `${before} FROM INFILE … ${after} FORMAT …`. */
  | {
      readonly kind: "insert";
      readonly format: string | undefined;
      readonly before: string;
      readonly after: string;
      readonly dataAt: number;
    }
  /** Runs as it is. Its answer, if any, is small. */
  | { readonly kind: "plain"; readonly format: string | undefined; readonly sql: string };

/**
 * Parses just enough of a statement: its kind, its FORMAT, and where its data begins.
 *
 * @throws ServerException for what ClickHouse's HTTP interface refuses: no statement, several at once, and files of the
 *   server's machine (INTO OUTFILE, FROM INFILE)
 */
export function parseStatement(sql: string): Statement {
  const insert = parseInsert(sql);
  if (insert) return insert;
  const all = [...tokens(sql)];
  const semicolon = all.findIndex((token) => token.text === ";");
  const list = semicolon < 0 ? all : all.slice(0, semicolon);
  if (list.length === 0) throw syntaxError("Empty query.");
  if (semicolon >= 0 && all.slice(semicolon).some((token) => token.text !== ";")) {
    throw syntaxError("Syntax error (Multi-statements are not allowed): send one statement at a time.");
  }
  const last = list[list.length - 1]!;
  const outer = outermost(list);
  refuseFiles(outer);
  const text = sql.slice(0, last.end);
  const format = formatClause(outer);
  if (!returnsRows(list, outer)) return { kind: "plain", format: format?.name, sql: text };
  const cut = format?.start ?? last.end;
  return { kind: "rows", format: format?.name, before: text.slice(0, cut), after: text.slice(cut) };
}

// Without SHOW, DESCRIBE, EXISTS, CHECK and EXPLAIN. Their answers are small, and INTO OUTFILE doesn't work for them:
// `EXPLAIN AST … INTO OUTFILE` explains the INTO OUTFILE, and SHOW writes in the connection's format.
const ROWS: ReadonlySet<string> = new Set(["SELECT", "WITH", "FROM"]);

function returnsRows(list: readonly Token[], outer: readonly Token[]): boolean {
  const first = list.find((token) => token.text !== "(");
  if (!first || !ROWS.has(first.word)) return false;
  // `WITH … INSERT INTO t SELECT …`
  return !(
    first.word === "WITH" && outer.some((token, at) => token.word === "INSERT" && outer[at + 1]?.word === "INTO")
  );
}

/** After these a word is part of an expression, so `ORDER BY format DESC` and `SELECT 1 AS format` have no FORMAT clause. */
const OPERANDS_FOLLOW: ReadonlySet<string> = new Set(
  `SELECT DISTINCT FROM JOIN ON USING WHERE PREWHERE HAVING QUALIFY BY LIMIT OFFSET
  AND OR NOT IN LIKE ILIKE BETWEEN IS AS CASE WHEN THEN ELSE WITH`.split(/\s+/),
);
const NOT_FORMATS: ReadonlySet<string> = new Set(["ASC", "DESC", "AS", "FROM", "FORMAT", "SETTINGS"]);

/** The clause `FORMAT name [SETTINGS …]` that ends a statement. */
function formatClause(outer: readonly Token[]): { readonly name: string; readonly start: number } | undefined {
  for (let at = outer.length - 2; at > 0; at--) {
    const token = outer[at]!;
    const name = outer[at + 1]!;
    const before = outer[at - 1]!;
    const after = outer[at + 2];
    if (token.word !== "FORMAT" || (name.kind !== "word" && name.kind !== "quoted")) continue;
    if (NOT_FORMATS.has(name.word)) continue;
    if (after && after.word !== "SETTINGS") continue;
    if (OPERANDS_FOLLOW.has(before.word)) continue;
    if (before.kind === "punctuation" && !")]*}".includes(before.text)) continue;
    return { name: nameOf(name), start: token.start };
  }
  return undefined;
}

/** An INSERT whose rows follow it. Undefined for any other statement, including `INSERT … SELECT`. */
function parseInsert(sql: string): Statement | undefined {
  const stream = tokens(sql);
  const next = (): Token | undefined => stream.next().value as Token | undefined;
  let token = next();
  if (token?.word !== "INSERT") return undefined;
  token = next();
  for (const optional of ["INTO", "TABLE", "FUNCTION"]) if (token?.word === optional) token = next();
  // The table's name may be a word that is a keyword later: `INSERT INTO db.format`.
  let end = token?.end ?? sql.length;
  token = next();
  while (token?.text === ".") {
    end = next()?.end ?? sql.length;
    token = next();
  }
  let depth = 0;
  let tailAt: number | undefined;
  for (; token; token = next()) {
    if (token.text === ";") return undefined;
    if (token.word === "SELECT" || token.word === "WITH" || token.word === "WATCH") return undefined;
    if (token.text === "(") depth++;
    else if (token.text === ")") depth--;
    else if (depth === 0 && token.word === "FROM") {
      if (next()?.word !== "INFILE") return undefined;
      throw new ServerException(78, "UNKNOWN_TYPE_OF_QUERY", "Query has infile and was sent directly to the server.");
    } else if (depth === 0 && token.word === "SETTINGS") tailAt = token.start;
    else if (depth === 0 && (token.word === "VALUES" || token.word === "FORMAT")) {
      const name = token.word === "FORMAT" ? next() : undefined;
      if (token.word === "FORMAT" && !name) return undefined;
      const cut = tailAt ?? token.start;
      return {
        kind: "insert",
        format: name ? nameOf(name) : "Values",
        before: sql.slice(0, cut),
        after: sql.slice(cut, token.start),
        dataAt: name ? startOfData(sql, name.end) : token.end,
      };
    }
    end = token.end;
  }
  const cut = tailAt ?? end;
  const whole = { before: sql.slice(0, cut), after: sql.slice(cut, end) };
  return { kind: "insert", format: undefined, ...whole, dataAt: sql.length };
}

/** Blanks and one line break separate `FORMAT name` from the data. Any more belong to the data. */
function startOfData(sql: string, from: number): number {
  const pattern = /[ \t\f]*;?[ \t\f]*(?:\r?\n)?/y;
  pattern.lastIndex = from;
  pattern.test(sql);
  return pattern.lastIndex;
}

function outermost(list: readonly Token[]): readonly Token[] {
  let depth = 0;
  return list.filter((token) => {
    if (token.kind !== "punctuation") return depth === 0;
    if (token.text === "(" || token.text === "[" || token.text === "{") depth++;
    else if (token.text === ")" || token.text === "]" || token.text === "}") return --depth === 0;
    else return depth === 0;
    return false;
  });
}

function nameOf(token: Token): string {
  return token.kind === "quoted" ? token.text.slice(1, -1) : token.text;
}
