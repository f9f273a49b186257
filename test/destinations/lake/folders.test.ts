/** Which folders a manifest's files are in. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { DataFolder } from "../../../destinations/destination.ts";
import { DEFAULT_PATH, loadedFolders } from "../../../destinations/lake/index.ts";
import { foldersOf } from "../../../destinations/lake/folders.ts";
import type { Manifest } from "../../../destinations/lake/manifest.ts";
import { interval } from "../../../src/intervals/interval.ts";

const NAME = "20261001T030000Z_20261001T040000Z.0123456789ab.0";
const columns = [{ name: "session_id", type: "string", nullable: false }];
const time = new Date("2026-10-02T00:00:00Z");

function manifest(more: Partial<Manifest>): Manifest {
  return {
    layout: 2,
    replayport: "0",
    source: "0",
    export: "replays",
    interval: interval("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"),
    attempt: "0123456789ab",
    fingerprint: "0-0",
    format: "parquet",
    readAt: time,
    committedAt: time,
    rows: 1,
    bytes: 1,
    files: [],
    kept: [],
    columns,
    key: ["session_id"],
    replaces: [],
    removes: [],
    ...more,
  };
}
const file = (key: string) => ({ key, rows: 1, bytes: 1, sha256: "" });
const places = (folders: readonly DataFolder[]) => folders.map(({ path, extension }) => `${path} ${extension}`);

suite("the folders that a manifest names", () => {
  test("a file's folder is that of the template which its manifest names", () => {
    const folders = foldersOf(
      manifest({ path: "x/{export}/{day}", files: [file(`x/replays/01/${NAME}.csv.gz`)] }),
      DEFAULT_PATH,
    );
    assert.deepEqual(folders, [
      { path: "x/{export}/{day}", extension: ".csv.gz", columns: [[{ name: "session_id", type: "string" }]] },
    ]);
  });

  test("a file that is kept has the template of the manifest that wrote it", () => {
    const kept = { ...file(`x/replays/01/${NAME}.jsonl`), readAt: time, format: "jsonl", columns, lost: 1 } as const;
    const folders = foldersOf(
      manifest({
        path: DEFAULT_PATH,
        files: [file(`replays/dt=2026-10-01/${NAME}.parquet`)],
        kept: [{ ...kept, path: "x/{export}/{day}" }],
      }),
      "y/{export}",
    );
    assert.deepEqual(places(folders), [`${DEFAULT_PATH} .parquet`, "x/{export}/{day} .jsonl"]);
  });

  test("a manifest of 0.1.0 names no template: today's or the default fits, or the folder stands for itself", () => {
    const of = (key: string, today: string) => places(foldersOf(manifest({ layout: 1, files: [file(key)] }), today));
    assert.deepEqual(of(`y/replays/2026/${NAME}.parquet`, "y/{export}/{year}"), ["y/{export}/{year} .parquet"]);
    assert.deepEqual(of(`replays/dt=2026-10-01/${NAME}.parquet`, "y/{export}"), [`${DEFAULT_PATH} .parquet`]);
    assert.deepEqual(of(`z/replays/01/${NAME}.parquet`, "y/{export}"), ["z/replays/01 .parquet"]);
  });

  test("a template that doesn't give the file's folder isn't believed", () => {
    for (const path of ["../{export}", "{export}/{year}", "no template"]) {
      const folders = foldersOf(manifest({ path, files: [file(`z/replays/${NAME}.parquet`)] }), DEFAULT_PATH);
      assert.deepEqual(places(folders), ["z/replays .parquet"]);
    }
  });

  test("today's folder is read only while nothing is loaded", () => {
    const today = { path: "y/{export}", extension: ".csv", columns: [] };
    assert.deepEqual(loadedFolders([], today), [today]);
    assert.deepEqual(loadedFolders([{ folders: [] }, {}], today), [today]);
    const older = { path: DEFAULT_PATH, extension: ".parquet", columns: [columns] };
    assert.deepEqual(loadedFolders([{ folders: [older] }, { folders: [older] }], today), [older]);
  });
});
