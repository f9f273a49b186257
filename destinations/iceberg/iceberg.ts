import type { Interval } from "../../src/intervals/interval.ts";
import type {
  Batch,
  Coverage,
  Destination,
  DestinationAudit,
  DestinationRecords,
  FileOfDeadRows,
  Leftover,
  Receipt,
} from "../destination.ts";
import { adopt } from "./adopt.ts";
import { icebergAudit } from "./audit.ts";
import { check } from "./check.ts";
import type { IcebergContext } from "./context.ts";
import { collectGarbage } from "./gc.ts";
import { currentLedger, receiptsIn } from "./ledger.ts";
import { load } from "./load.ts";
import { icebergRecords } from "./records.ts";
import { rewriteFiles } from "./rewrite.ts";
import { readState } from "./snapshot.ts";
import { loadTable, missingColumns } from "./tables.ts";

/** A table in a catalog, for one export. load.ts and commit.ts have the protocol. */
export class Iceberg implements Destination {
  readonly formats = ["parquet"] as const;
  readonly fileBytes: number;
  readonly name: string;
  readonly audit: DestinationAudit;
  readonly records: DestinationRecords;
  readonly #context: IcebergContext;
  readonly #close: () => Promise<void>;

  constructor(context: IcebergContext, fileBytes: number, close: () => Promise<void>) {
    this.#context = context;
    this.#close = close;
    this.fileBytes = fileBytes;
    this.name = `${context.catalog.name} ${context.tableName}`;
    this.audit = icebergAudit(context);
    this.records = icebergRecords(context);
  }

  adopt(signal: AbortSignal): Promise<string | undefined> {
    return adopt(this.#context, signal);
  }

  check(signal: AbortSignal): Promise<void> {
    return check(this.#context, signal);
  }

  async checkRows(rows: Pick<Batch, "columns" | "key">, signal: AbortSignal): Promise<void> {
    const loaded = await loadTable(this.#context, signal);
    if (!loaded) return;
    await readState(this.#context, loaded, signal);
    missingColumns(this.#context, loaded, rows);
  }

  load(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    return load(this.#context, batch, signal);
  }

  async *receipts(range: Interval, signal: AbortSignal): AsyncIterable<Receipt> {
    const loaded = await loadTable(this.#context, signal);
    if (!loaded) return;
    const storage = this.#context.storage(loaded);
    yield* receiptsIn(await currentLedger(this.#context, storage, loaded.metadata, signal), range);
  }

  /** Two requests: the table and its ledger. */
  async *covered(range: Interval, signal: AbortSignal): AsyncIterable<Coverage> {
    for await (const { interval, readAt, watermark, committedAt } of this.receipts(range, signal)) {
      yield { interval, readAt, watermark, committedAt };
    }
  }

  collectGarbage(remove: boolean, signal: AbortSignal): AsyncIterable<Leftover> {
    return collectGarbage(this.#context, remove, signal);
  }

  rewrite(how: Parameters<typeof rewriteFiles>[1], signal: AbortSignal): AsyncIterable<FileOfDeadRows> {
    return rewriteFiles(this.#context, how, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
