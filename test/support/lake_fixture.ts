/** The receipts of a lake on disk, without its data: for what only reads the ledger. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { manifestKey } from "../../destinations/lake/layout.ts";
import { encodeManifest, LAYOUT } from "../../destinations/lake/manifest.ts";
import type { Interval } from "../../src/intervals/interval.ts";

const ROWS = 10;

/** A receipt for each interval, read right after its end. */
export async function writeReceipts(lake: string, exportName: string, intervals: readonly Interval[]): Promise<void> {
  for (const interval of intervals) {
    const readAt = new Date(interval.end.getTime() + 5 * 60_000);
    const file = join(lake, manifestKey(exportName, 0, { interval, readAt }));
    await mkdir(dirname(file), { recursive: true });
    const text = encodeManifest({
      layout: LAYOUT,
      replayport: "0.1.0",
      source: "26.8",
      format: "parquet",
      export: exportName,
      interval,
      attempt: "abcdefghijkl",
      fingerprint: "0123456789abcdef",
      readAt,
      committedAt: readAt,
      rows: ROWS,
      bytes: 100 * ROWS,
      files: [],
      kept: [],
      columns: [],
      key: [],
      replaces: [],
      removes: [],
    });
    await writeFile(file, text);
  }
}
