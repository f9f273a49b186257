/** The part of chdb that we use: see its README, "Sessions". */
export interface ChdbModule {
  readonly Session: new (path: string, options?: { readonly connectionArgs?: readonly string[] }) => ChdbSession;
}

export interface ChdbSession {
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

/** Loads the engine's library (540 MB). The package is optional, so tsc must not resolve its name. */
export async function loadChdb(): Promise<ChdbModule> {
  const name: string = "chdb";
  return (await import(name)) as ChdbModule;
}
