/** The slice of chdb that is used: see its README, "Sessions". */
export interface ChdbModule {
  readonly Session: new (path: string, options?: { readonly connectionArgs?: readonly string[] }) => ChdbSession;
}

export interface ChdbSession {
  queryAsync(sql: string, options: { readonly format: string }): Promise<ChdbResult>;
  close(): void;
}

export interface ChdbResult {
  /** Rows of the result or, for `INSERT … FROM INFILE`, rows written; also where the result went to a file. */
  readonly rowsRead: number;
  /** Bytes of those rows in the engine's memory. */
  readonly bytesRead: number;
  /** Seconds. */
  readonly elapsed: number;
  bytes(): Uint8Array;
}

/** Loads the engine's library (540 MB) into this process. It is optional, so its name is not one that tsc resolves. */
export async function loadChdb(): Promise<ChdbModule> {
  const name: string = "chdb";
  return (await import(name)) as ChdbModule;
}
