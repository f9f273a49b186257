/** What a commit changes of a table, apart from how it's written down (write_commit.ts). */
import type { Column } from "../../src/models/column.ts";
import type { DataFile } from "../table_format/manifest.ts";
import type { DeadRows } from "./dead_rows.ts";
import type { GoneChange } from "./gone_rows.ts";
import type { LedgerContents } from "./ledger_file.ts";

export interface AddedFile {
  readonly file: DataFile;
  /** Rows that readers must not see: newer ones of their keys are in the table. */
  readonly dead: DeadRows;
  /** Since which commit its rows are in the table. Default: this one. */
  readonly sequenceNumber?: number | undefined;
}

export interface Change {
  readonly added: readonly AddedFile[];
  /** All dead rows of files of the snapshot of which some die now. A file of which all rows are dead leaves the table. */
  readonly killed: ReadonlyMap<string, DeadRows>;
  /** Files that leave the table because all rows of them that aren't dead are in added files. Default: none. */
  readonly replaced?: ReadonlySet<string>;
  /** The ledger of the commit. */
  readonly ledger: (committedAt: Date) => LedgerContents;
  /** Columns that the table lacks. */
  readonly columns: readonly Column[];
  readonly properties: Readonly<Record<string, string>>;
  /** Rows to be kept outside of the table. Default: none come. */
  readonly gone?: GoneChange | undefined;
}

/** The snapshot's files stay as they are. */
export function ledgerChange(ledger: Change["ledger"]): Change {
  return { added: [], killed: new Map(), ledger, columns: [], properties: {} };
}
