/** A destination that keeps what it was given: for tests of what comes before a destination. Proves nothing of one. */
import type { Batch, Coverage, Destination, Receipt, StagedFile } from "../../destinations/destination.ts";

export interface RecordingDestination extends Destination {
  /** Files of loads that ended well, with what stood in them. */
  readonly loaded: { readonly batch: Batch; readonly files: StagedFile[]; readonly contents: Buffer[] }[];
  readonly given: Receipt[];
}

export function recordingDestination(
  read: (file: StagedFile) => Promise<Buffer>,
  receipts: Receipt[] = [],
): RecordingDestination {
  const loaded: RecordingDestination["loaded"] = [];
  return {
    loaded,
    given: receipts,
    name: "a fake that records",
    formats: ["parquet", "jsonl", "csv"],
    fileBytes: 1 << 30,
    check: async () => undefined,
    load: async (batch) => {
      const files: StagedFile[] = [];
      const contents: Buffer[] = [];
      for await (const file of batch.files) {
        files.push(file);
        contents.push(await read(file));
        await file.release();
      }
      loaded.push({ batch, files, contents });
      const receipt = {
        export: batch.export,
        interval: batch.interval,
        attempt: batch.attempt,
        rows: files.reduce((sum, file) => sum + file.rows, 0),
        bytes: files.reduce((sum, file) => sum + file.bytes, 0),
        files: files.length,
        fingerprint: batch.fingerprint,
        readAt: batch.readAt,
        committedAt: batch.readAt,
      };
      receipts.push(receipt);
      return receipt;
    },
    async *receipts(): AsyncIterable<Receipt> {
      yield* receipts;
    },
    async *covered(): AsyncIterable<Coverage> {
      yield* receipts;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
