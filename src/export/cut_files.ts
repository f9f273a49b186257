/** Cuts a batch into files by ranges of sessions, so that no session is split. */
import type { Model, Part, Read } from "../models/model.ts";
import type { QueryPurpose, Source } from "./source.ts";

/** How much a file may exceed its size before there is another one. Counts and cuts are estimates. */
const TOLERANCE = 0.05;

/** @param sessions an estimate */
export function filesFor(sessions: number, rowsPerFile: number): number {
  return sessions === 0 ? 0 : Math.max(1, Math.ceil(sessions / rowsPerFile - TOLERANCE));
}

export async function cutFiles(
  model: Model,
  read: Omit<Read, "part">,
  sessions: number,
  files: number,
  source: Source,
  purpose: QueryPurpose,
  signal: AbortSignal,
): Promise<Part[]> {
  const query = files > 1 ? model.splitPoints(read, sessions, files) : undefined;
  if (query === undefined) return Array.from({ length: files }, (_, index) => ({ index, of: files }));
  return partsBetween(await source.texts(query, purpose, signal));
}

/**
 * The parts between cuts. A cut that isn't above the one before it is skipped: overlapping parts would have sessions twice,
 * while a part that is larger than planned does no harm.
 */
export function partsBetween(cuts: readonly string[]): Part[] {
  const rising: string[] = [];
  for (const cut of cuts) {
    const last = rising.at(-1);
    if (last === undefined || Buffer.compare(Buffer.from(last), Buffer.from(cut)) < 0) rising.push(cut);
  }
  const of = rising.length + 1;
  return Array.from({ length: of }, (_, index) => ({ index, of, from: rising[index - 1], until: rising[index] }));
}
