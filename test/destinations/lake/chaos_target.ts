/** A lake on disk, read by DuckDB with the statement that `replayport sql` prints. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLakeOn } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { HookedStore } from "./hooked_store.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { lakeRows } from "../../support/replay_rows.ts";

export async function lakeChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-lake-"));
  return {
    open(now, crash) {
      const store = new DiskStore(folder);
      return openLakeOn(
        crash ? new HookedStore(store, { around: crash.step }) : store,
        { keepReplacedMs: 0 },
        { export: definition.name, path: definition.path },
        { now, version: "test", onWarning: () => undefined },
      );
    },
    rows: () => lakeRows(folder, definition),
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
