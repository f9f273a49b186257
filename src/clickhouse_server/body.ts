import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ServerException, syntaxError } from "./exception.ts";
import { type Statement, parseStatement } from "./statement.ts";
import { type Token, tokens } from "./tokens.ts";

/** A statement and, for an INSERT, its rows as bytes that haven't been read yet. */
export interface Incoming {
  readonly statement: Statement;
  readonly data: AsyncIterable<Buffer>;
}

// Long enough to hold an INSERT up to its data; ClickHouse's own default for max_query_size.
const HEAD = 256 * 1024;
/** Statements are read into memory, data never is. */
const LONGEST_STATEMENT = 16 * 1024 * 1024;

/**
 * Puts the URL's query before the body, as ClickHouse does, and finds where the statement ends and its data begins.
 * Reads no more of the body than that takes.
 *
 * @throws ServerException as parseStatement does, and for a statement over 16 MiB
 */
export async function readStatement(query: string, body: AsyncIterable<Buffer>): Promise<Incoming> {
  const rest = body[Symbol.asyncIterator]();
  const url = query.trim() === "" ? "" : `${latin1(query)}\n`;
  const inUrl = url === "" ? undefined : tryParse(url);
  if (inUrl?.kind === "insert" && inUrl.format !== undefined) {
    return { statement: inUrl, data: join(bytes(url.slice(inUrl.dataAt)), rest) };
  }
  let text = url;
  for (let end = false; !end;) {
    const enough = Math.max(HEAD, text.length * 2);
    while (text.length < enough && !end) {
      const chunk = await rest.next();
      if (chunk.done) end = true;
      else text += chunk.value.toString("latin1");
    }
    if (inUrl?.kind === "insert" && !continues(text.slice(url.length))) {
      return { statement: inUrl, data: join(bytes(text.slice(url.length)), rest) };
    }
    const statement = end ? parseStatement(text) : tryParse(text);
    if (statement?.kind === "insert") {
      if (statement.format !== undefined && (end || statement.dataAt < text.length)) {
        return { statement, data: join(bytes(text.slice(statement.dataAt)), rest) };
      }
      // Neither rows nor a query follow. The engine has the best message for that.
      if (end) return { statement: { kind: "plain", format: undefined, sql: text }, data: Readable.from([]) };
    } else if (end && statement) return { statement, data: Readable.from([]) };
    if (text.length > LONGEST_STATEMENT) throw syntaxError("Max query size exceeded: a statement has at most 16 MiB.");
  }
  throw syntaxError("Empty query.");
}

const CONTINUATIONS = new Set(["(", "VALUES", "FORMAT", "SETTINGS", "SELECT", "WITH", "FROM", "PARTITION"]);

/** Whether a body continues the URL's `INSERT INTO t`. Otherwise it is rows in the default format. */
function continues(body: string): boolean {
  const first = tokens(body).next().value as Token | undefined;
  return first !== undefined && CONTINUATIONS.has(first.word || first.text);
}

/** Writes data to a new file. @returns the number of bytes */
export async function spool(data: AsyncIterable<Buffer>, file: string, signal: AbortSignal): Promise<number> {
  const target = createWriteStream(file, { flags: "wx", mode: 0o600 });
  await pipeline(data, target, { signal });
  return target.bytesWritten;
}

/** The beginning of a valid statement may be invalid by itself. */
function tryParse(head: string): Statement | undefined {
  try {
    return parseStatement(head);
  } catch (error) {
    if (error instanceof ServerException && error.code === 62) return undefined;
    throw error;
  }
}

async function* join(first: Buffer, rest: AsyncIterator<Buffer>): AsyncIterable<Buffer> {
  if (first.length > 0) yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
