/** A lake on disk, read file by file, and by DuckDB with the statement that `replayport sql` prints. */
import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinFolders } from "../../../destinations/lake/folders.ts";
import { openLakeOn } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import { ALL_TIME } from "../../../src/intervals/interval.ts";
import { filesBelow } from "../../support/temporary_folder.ts";
import { HookedStore, type Operation } from "../../support/hooked_store.ts";
import { LakeReader } from "./lake_reader.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { versionedLakeRows } from "../../support/replay_rows.ts";

const CHANGES: ReadonlySet<Operation> = new Set(["publish", "put", "delete", "discard"]);

export async function lakeChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const folder = await mkdtemp(join(tmpdir(), "replayport-test-lake-"));
  const { name: exportName } = definition;
  const reader = new LakeReader(folder);
  const deps = { version: "test", onWarning: () => undefined };
  return {
    open(now, { path, around, onChange, keepReplacedMs = 0, installation = "here" }) {
      const store = new HookedStore(new DiskStore(folder), {
        ...(around ? { around } : {}),
        ...(onChange ? { after: async (operation) => (CHANGES.has(operation) ? await onChange() : undefined) } : {}),
      });
      return openLakeOn(store, { keepReplacedMs }, { export: exportName, path }, { ...deps, now, installation });
    },
    rows: async () => await reader.current((await reader.list()).data),
    shown: (row) => (row["deleted"] === true ? { ...row, first_url: null, urls: null } : row),
    files: {
      async list() {
        const { data, manifests } = await reader.list();
        const removable = manifests.flatMap(({ removes, committedAt }) =>
          removes.map((key) => [key, committedAt] as const),
        );
        return { data, removable: new Map(removable) };
      },
      keysOf: async (file) => (await reader.rowsOf(file)).map(({ key }) => key),
      remove: async (file) => await rm(join(folder, file)),
      async restamp(now) {
        for (const file of await filesBelow(folder)) await utimes(join(folder, file), now, now);
      },
      async query(where) {
        const { path } = definition;
        await using lake = openLakeOn(
          new DiskStore(folder),
          {},
          { export: exportName, path },
          { ...deps, now: () => new Date() },
        );
        const receipts = await Array.fromAsync(lake.receipts(ALL_TIME, AbortSignal.timeout(60_000)));
        const folders = joinFolders(receipts.flatMap((receipt) => receipt.folders ?? []));
        // What a dead attempt has left in a folder of another form, no receipt names yet.
        const kinds = new Set(folders.map((one) => kindOf(`${one.path}/a.b.0${one.extension}`)));
        const { data } = await reader.list();
        if (folders.length === 0 || data.some((file) => !kinds.has(kindOf(file)))) return undefined;
        const selection = { ...definition.selection, where };
        return await versionedLakeRows(folder, { ...definition, selection }, folders);
      },
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Files of one kind are in folders of one form. */
export function kindOf(file: string): string {
  return file.replaceAll(/[^/]*(?=\/)|[^/.]*[.].*[.]\d+/g, "");
}
