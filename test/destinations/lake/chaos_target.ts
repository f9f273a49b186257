/** A lake on disk, read by DuckDB with the statement that `replayport sql` prints. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinFolders } from "../../../destinations/lake/folders.ts";
import { openLakeOn } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { HookedStore } from "./hooked_store.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { versionedLakeRows } from "../../support/replay_rows.ts";

/** Longer than any story. */
const FOR_EVER_MS = 1000 * 86_400_000;

export async function lakeChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-lake-"));
  return {
    open(now, { path, crash, isWatched }) {
      const store = new DiskStore(folder);
      return openLakeOn(
        crash ? new HookedStore(store, { around: crash.step }) : store,
        { keepReplacedMs: isWatched ? FOR_EVER_MS : 0 },
        { export: definition.name, path },
        { now, version: "test", onWarning: () => undefined },
      );
    },
    async rows() {
      const { name: exportName, path } = definition;
      const deps = { now: () => new Date(), version: "test", onWarning: () => undefined };
      await using lake = openLakeOn(new DiskStore(folder), {}, { export: exportName, path }, deps);
      const receipts = await Array.fromAsync(lake.receipts(ALL_TIME, AbortSignal.timeout(60_000)));
      const folders = joinFolders(receipts.flatMap((receipt) => receipt.folders ?? []));
      return folders.length === 0 ? [] : await versionedLakeRows(folder, definition, folders);
    },
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
