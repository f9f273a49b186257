/** The records of an export in memory, with a flaw or without. */
import type { DestinationRecords, RecordKind } from "../../destinations/destination.ts";

export type RecordsFlaw =
  | "has a record before the first"
  | "forgets its records"
  | "gives the record that was added last"
  | "keeps one correction"
  | "mixes kinds of records"
  | "gives records as they were added";

export interface StoredRecord {
  readonly export: string;
  readonly kind: RecordKind;
  readonly at: Date;
  readonly text: string;
}

export function memoryRecords(
  exportName: string,
  records: StoredRecord[],
  flaw: string | undefined,
): DestinationRecords {
  const own = async (kind: RecordKind, signal: AbortSignal, unordered: string): Promise<string[]> => {
    await Promise.resolve();
    signal.throwIfAborted();
    const found = records.filter(
      (one) => one.export === exportName && (one.kind === kind || flaw === "mixes kinds of records"),
    );
    if (flaw !== unordered) found.sort((one, other) => +one.at - +other.at);
    const texts = found.map(({ text }) => text);
    return flaw === "has a record before the first" && texts.length === 0 ? ["{}"] : texts;
  };
  return {
    async add(kind, text, at, signal) {
      await Promise.resolve();
      signal.throwIfAborted();
      if (flaw === "keeps one correction" && kind === "corrections") records.length = 0;
      if (flaw !== "forgets its records") records.push({ export: exportName, kind, at, text });
    },
    last: async (kind, signal) => (await own(kind, signal, "gives the record that was added last")).at(-1),
    all: async (kind, signal) => await own(kind, signal, "gives records as they were added"),
  };
}
