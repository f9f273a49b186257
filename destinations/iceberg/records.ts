/** Records of an export in an Iceberg table: texts in its ledger. Each addition is a commit that changes no file. */
import type { DestinationRecords, RecordKind } from "../destination.ts";
import { commitChange } from "./commit.ts";
import { ledgerChange } from "./change.ts";
import type { IcebergContext } from "./context.ts";
import { currentLedger } from "./ledger.ts";
import { newWork } from "./names.ts";
import type { LedgerRecord } from "./ledger_file.ts";
import { ensureTable, loadTable } from "./tables.ts";
import { EXPORTED_AT_COLUMN } from "../../src/models/reading_order.ts";
import type { Column } from "../../src/models/column.ts";

/** Nothing needs an old audit. A correction is part of each later read's `_version`. */
const KEPT: Readonly<Record<RecordKind, number>> = { audits: 20, corrections: Infinity };

/** Of a table that a record makes: every model has it, and the first load brings the others. */
const FIRST_COLUMN: Column = {
  name: EXPORTED_AT_COLUMN,
  type: "timestamp",
  nullable: true,
  privacy: "none",
  description: "When the row was read.",
};

export function icebergRecords(context: IcebergContext): DestinationRecords {
  const all = async (kind: RecordKind, signal: AbortSignal): Promise<string[]> => {
    const loaded = await loadTable(context, signal);
    if (!loaded) return [];
    const { records } = await currentLedger(context, context.storage(loaded), loaded.metadata, signal);
    return records.filter((one) => one.kind === kind).map(({ text }) => text);
  };
  return {
    all,
    async last(kind, signal) {
      return (await all(kind, signal)).at(-1);
    },
    async add(kind, text, at, signal) {
      await ensureTable(context, { columns: [FIRST_COLUMN], key: [] }, signal);
      const work = newWork("records");
      const outcome = await commitChange(
        context,
        work,
        async ({ ledger }) =>
          ledgerChange(() => ({
            ...ledger,
            commits: [work, ...ledger.commits],
            records: withRecord(ledger.records, { kind, text, at }),
          })),
        signal,
      );
      if (outcome.outcome !== "won")
        throw outcome.outcome === "lost" ? new Error("a record can't lose") : outcome.error;
    },
  };
}

/** By time, without the oldest of those that nothing needs. */
function withRecord(records: readonly LedgerRecord[], record: LedgerRecord): LedgerRecord[] {
  const sorted = [...records, record].sort((one, other) => one.at.getTime() - other.at.getTime());
  const same = sorted.filter(({ kind }) => kind === record.kind);
  const old = new Set(same.slice(0, Math.max(0, same.length - KEPT[record.kind])));
  return sorted.filter((one) => !old.has(one));
}
