/** `gc` finds uploads that a dead attempt never finished. Files that it made visible: test/stories/dead_attempts.test.ts. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { dataKey } from "../../../destinations/lake/layout.ts";
import { renderPath } from "../../../destinations/lake/path_template.ts";
import { DEFAULT_PATH, type LakeOptions } from "../../../destinations/lake/index.ts";
import { DiskStore } from "../../../destinations/store/disk_store.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import type { Store } from "../../../destinations/store/store.ts";
import { Batches, EXPORT, hours } from "../../conformance/batches.ts";
import { row } from "../../conformance/context.ts";
import { stagedFile } from "../../../destinations/files/staged_file.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { openTestLake, s3Options } from "./harness.ts";
import { SIGNAL, server, skip } from "./s3_fixture.ts";

const DAY = 24 * 3_600_000;

async function findsUploads(options: LakeOptions, store: Store): Promise<void> {
  await using folder = await temporaryFolder();
  await using batches = await Batches.open();
  await using _ = store;
  const path = join(folder.path, "staged");
  await writeFile(path, "half");
  const file = await stagedFile(path, { index: 0, rows: 1 });
  const keyOf = (exportName: string, hour: number): string =>
    dataKey(renderPath(DEFAULT_PATH, exportName, hours(hour)), hours(hour), "deaddeaddead", 0, ".parquet");
  const dead = [keyOf(EXPORT, 1), keyOf(EXPORT, 30)];
  for (const key of [...dead, keyOf("another", 1)]) await store.prepare(key, file, SIGNAL);

  let later = 0;
  await using lake = openTestLake(options, { now: () => new Date(Date.now() + later) });
  await lake.load(await batches.batch(hours(2), [[row("a", 1)]]), SIGNAL);
  const gc = async (remove: boolean): Promise<string[]> => {
    const found = await Array.fromAsync(lake.collectGarbage?.(remove, SIGNAL) ?? []);
    return found.map(({ key, unfinished, removed }) => `${key} ${String(unfinished)} ${String(removed)}`).sort();
  };
  const listed = (removed: boolean): string[] => dead.map((key) => `${key} true ${String(removed)}`);
  assert.deepEqual(await gc(false), listed(false));
  if (options.type === "file") assert.deepEqual(await gc(true), listed(false), "a load of today may be running");
  later = 2 * DAY;
  assert.deepEqual(await gc(true), listed(true));
  assert.deepEqual(await gc(true), []);
  assert.deepEqual(
    (await store.unfinished("another/dt=2026-10-01/", SIGNAL)).map(({ key }) => key),
    [keyOf("another", 1)],
  );
}

suite("gc of a lake", () => {
  test("finds the unfinished uploads of an export on disk and removes those older than a day", async () => {
    await using folder = await temporaryFolder();
    await findsUploads({ type: "file", path: folder.path }, new DiskStore(folder.path));
  });

  // moto dates all uploads to 2010, so none is young.
  test("finds the unfinished uploads of an export on S3 and aborts those older than a day", { skip }, async () => {
    const options = s3Options(server, await server.bucket());
    await findsUploads(options, new S3Store(options));
  });
});
