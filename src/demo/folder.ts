/** The demo's folder. It's kept afterwards for people to explore; only the next demo replaces it. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { giveUp, ReplayportError } from "../errors.ts";

export interface DemoFolder {
  /** Absolute, as are the others. */
  readonly path: string;
  readonly lake: string;
  /** The files of the catalog's server, where the lake is an Iceberg table. */
  readonly catalog: string;
  readonly engine: string;
  readonly config: string;
  readonly stage: string;
}

const MARKER = ".replayport-demo";
const EXPLANATION = "Made by `replayport demo`, which replaces this folder when it runs again. You can delete it.\n";

/**
 * Creates the folder, or checks that an earlier demo made it. Deletes nothing yet.
 * @throws ReplayportError `demo.folder_in_use` if it holds anything else
 */
export async function claimFolder(path: string): Promise<DemoFolder> {
  const root = resolve(path);
  await mkdir(root, { recursive: true });
  const names = await readdir(root);
  if (names.length > 0 && !names.includes(MARKER)) {
    throw new ReplayportError(
      `${root} holds files that the demo didn't make`,
      giveUp("demo.folder_in_use", "Choose a new or empty folder with --dir."),
    );
  }
  await writeFile(join(root, MARKER), EXPLANATION);
  return {
    path: root,
    lake: join(root, "lake"),
    catalog: join(root, "seaweedfs"),
    engine: join(root, "clickhouse"),
    config: join(root, "schedules.yaml"),
    stage: join(root, ".stage"),
  };
}

/** Deletes an earlier demo's lake. Call it once the engine has locked its data directory: no other demo is running then. */
export async function clearFolder(folder: DemoFolder): Promise<void> {
  for (const path of [folder.lake, folder.catalog, folder.stage, folder.config]) {
    await rm(path, { recursive: true, force: true });
  }
}
