import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The part of chdb that we use: see its README, "Sessions". */
export interface ChdbModule {
  readonly Session: new (path: string, options?: { readonly connectionArgs?: readonly string[] }) => ChdbSession;
}

export interface ChdbSession {
  /** The native connection. */
  readonly connection: unknown;
  queryAsync(sql: string, options: { readonly format: string }): Promise<ChdbResult>;
  close(): void;
}

export interface ChdbResult {
  /** Rows of the result, even if it went to a file; for `INSERT … FROM INFILE`, rows written. */
  readonly rowsRead: number;
  /** Bytes of those rows in the engine's memory. */
  readonly bytesRead: number;
  /** Seconds. */
  readonly elapsed: number;
  bytes(): Uint8Array;
}

interface Native {
  InsertRawAsyncConnection(
    connection: unknown,
    statement: string,
    data: Uint8Array,
    countLines: boolean,
  ): Promise<{ readonly rowsWritten: number; readonly bytesWritten: number; readonly elapsed: number }>;
}

/** Loads the engine's library (540 MB). The package is optional, so tsc must not resolve its name. */
export async function loadChdb(): Promise<ChdbModule> {
  const name: string = "chdb";
  return (await import(name)) as ChdbModule;
}

/**
 * Runs an INSERT whose rows, in a format of text, follow it. Not the library's own `insert()`, which takes the names of a table and
 * of a few formats instead of a statement.
 */
export async function insertRaw(session: ChdbSession, statement: string, data: Uint8Array): Promise<ChdbResult> {
  const require = createRequire(import.meta.url);
  // The package doesn't export the path.
  const loader = require(join(dirname(require.resolve("chdb")), "dist", "loader.js")) as { loadNative(): Native };
  const { rowsWritten, bytesWritten, elapsed } = await loader
    .loadNative()
    .InsertRawAsyncConnection(session.connection, statement, data, false);
  return { rowsRead: rowsWritten, bytesRead: bytesWritten, elapsed, bytes: () => new Uint8Array() };
}
