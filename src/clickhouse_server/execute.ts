import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "./answer.ts";
import type { ChdbResult } from "./chdb.ts";
import { type Incoming, spool } from "./body.ts";
import { type Encoding, compressionClause } from "./compression.ts";
import { type Engine, type EngineQuery, literal } from "./engine.ts";
import { ServerException } from "./exception.ts";
import { DEFAULT_FORMAT, formatName, isBinary } from "./formats.ts";
import { refuseNative, refuseOutside, refuseSessions } from "./refusals.ts";
import { tokens } from "./tokens.ts";

export interface Execution {
  readonly query: Omit<EngineQuery, "sql" | "format">;
  readonly defaultFormat: string | undefined;
  readonly nativeProtocol: boolean;
  readonly inSession: boolean;
  readonly encoding: Encoding | undefined;
  readonly compressionLevel: number | undefined;
  /** A directory of this process, for results and data to insert. */
  readonly directory: string;
  /** Whether the statement may reach what is outside of the data directory. */
  readonly outside: boolean;
}

/**
 * Runs a statement. The engine writes its result to a file, or reads the rows to insert from one, so neither has to fit
 * into memory, and no client sees part of a result that fails half way.
 *
 * @throws ServerException
 */
export async function execute(
  engine: Engine,
  incoming: Incoming,
  execution: Execution,
  signal: AbortSignal,
): Promise<Outcome> {
  const { statement } = incoming;
  const text = statement.kind === "plain" ? statement.sql : `${statement.before} ${statement.after}`;
  if (execution.inSession) refuseSessions([...tokens(text)]);
  if (!execution.outside) refuseOutside([...tokens(text)]);
  const usual = statement.kind === "insert" ? "Values" : DEFAULT_FORMAT;
  const format = formatName(statement.format ?? execution.defaultFormat ?? usual);
  if (execution.nativeProtocol && statement.kind !== "insert") refuseNative(format);
  switch (statement.kind) {
    case "rows":
      return await select(engine, statement, format, execution, signal);
    case "insert":
      return await insert(engine, statement, incoming.data, format, execution, signal);
    case "plain": {
      const query = { ...execution.query, sql: utf8(statement.sql), format };
      const result = await engine.run(query, signal);
      return { result, wrote: false, format, encoding: undefined, body: { bytes: result.bytes() } };
    }
    default:
      return statement satisfies never;
  }
}

type Of<Kind> = Extract<Incoming["statement"], { readonly kind: Kind }>;

async function select(
  engine: Engine,
  statement: Of<"rows">,
  format: string,
  { query, encoding, compressionLevel, directory }: Execution,
  signal: AbortSignal,
): Promise<Outcome> {
  const file = join(directory, `result-${randomUUID()}`);
  const clause = `INTO OUTFILE ${literal(file)} ${compressionClause(encoding, compressionLevel)}`;
  const tail = statement.format === undefined ? `FORMAT ${format}` : utf8(statement.after);
  const sql = `${utf8(statement.before)}\n${clause}\n${tail}`;
  try {
    const result = await engine.run({ ...query, sql, format }, signal);
    return { result, wrote: false, format, encoding, body: { file } };
  } catch (error) {
    await rm(file, { force: true });
    throw without(error, clause);
  }
}

async function insert(
  engine: Engine,
  statement: Of<"insert">,
  data: AsyncIterable<Buffer>,
  format: string,
  { query, directory, outside }: Execution,
  signal: AbortSignal,
): Promise<Outcome> {
  const answer = (result: ChdbResult): Outcome => {
    return { result, wrote: true, format, encoding: undefined, body: { bytes: new Uint8Array() } };
  };
  if (!outside) {
    const rows = await inMemory(data, format);
    const sql = `${utf8(statement.before)} ${utf8(statement.after)} FORMAT ${rows.length === 0 ? "JSONEachRow" : format}`;
    // A blank is no row; no byte at all is an error of the engine's.
    return answer(await engine.run({ ...query, sql, format: "Null", data: rows.length === 0 ? BLANK : rows }, signal));
  }
  const file = join(directory, `data-${randomUUID()}`);
  try {
    const size = await spool(data, file, signal);
    // Formats with a frame (Parquet, Arrow) refuse an empty file, but an INSERT without rows is valid.
    const readAs = size === 0 ? "TabSeparated" : format;
    const clause = `FROM INFILE ${literal(file)} COMPRESSION 'none'`;
    const sql = `${utf8(statement.before)} ${clause} ${utf8(statement.after)} FORMAT ${readAs}`;
    return answer(await engine.run({ ...query, sql, format: "Null" }, signal));
  } finally {
    await rm(file, { force: true });
  }
}

const BLANK = Buffer.from("\n");
const LONGEST_DATA = 1024 ** 3;

/** A confined engine opens no file: a file to read from would need a working directory (confinement.ts). */
async function inMemory(data: AsyncIterable<Buffer>, format: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of data) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LONGEST_DATA) throw new ServerException(229, "QUERY_IS_TOO_LARGE", "Insert 1 GiB at a time, or less.");
  }
  if (size > 0 && isBinary(format)) {
    const message = `INSERT in the format ${format} is not supported: send JSONEachRow, CSV or TabSeparated.`;
    throw new ServerException(48, "NOT_IMPLEMENTED", message);
  }
  return Buffer.concat(chunks);
}

/** The clause is ours, so a message that quotes it would confuse. */
function without(error: unknown, clause: string): unknown {
  if (!(error instanceof ServerException)) return error;
  return new ServerException(error.code, error.codeName, error.message.replaceAll(clause, "").trim());
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
