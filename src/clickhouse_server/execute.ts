import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "./answer.ts";
import { type Incoming, spool } from "./body.ts";
import { type Encoding, compressionClause } from "./compression.ts";
import { type Engine, type EngineQuery, literal } from "./engine.ts";
import { ServerException } from "./exception.ts";
import { DEFAULT_FORMAT, formatName } from "./formats.ts";

export interface Execution {
  readonly query: Omit<EngineQuery, "sql" | "format">;
  readonly defaultFormat: string | undefined;
  readonly encoding: Encoding | undefined;
  readonly compressionLevel: number | undefined;
  /** A directory of this process, for results and data to insert. */
  readonly directory: string;
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
  switch (statement.kind) {
    case "rows":
      return await select(engine, statement, execution, signal);
    case "insert":
      return await insert(engine, statement, incoming.data, execution, signal);
    case "plain": {
      const format = formatName(statement.format ?? execution.defaultFormat ?? DEFAULT_FORMAT);
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
  { query, defaultFormat, encoding, compressionLevel, directory }: Execution,
  signal: AbortSignal,
): Promise<Outcome> {
  const format = formatName(statement.format ?? defaultFormat ?? DEFAULT_FORMAT);
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
  { query, defaultFormat, directory }: Execution,
  signal: AbortSignal,
): Promise<Outcome> {
  const format = formatName(statement.format ?? defaultFormat ?? "Values");
  const file = join(directory, `data-${randomUUID()}`);
  try {
    const size = await spool(data, file, signal);
    // Formats with a frame (Parquet, Arrow) refuse an empty file, but an INSERT without rows is valid.
    const readAs = size === 0 ? "TabSeparated" : format;
    const clause = `FROM INFILE ${literal(file)} COMPRESSION 'none'`;
    const sql = `${utf8(statement.before)} ${clause} ${utf8(statement.after)} FORMAT ${readAs}`;
    const result = await engine.run({ ...query, sql, format: "Null" }, signal);
    return { result, wrote: true, format, encoding: undefined, body: { bytes: new Uint8Array() } };
  } finally {
    await rm(file, { force: true });
  }
}

/** The clause is ours, so a message that quotes it would confuse. */
function without(error: unknown, clause: string): unknown {
  if (!(error instanceof ServerException)) return error;
  return new ServerException(error.code, error.codeName, error.message.replaceAll(clause, "").trim());
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
