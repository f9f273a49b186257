/** The folder of the demo: kept afterwards, so that people can look at it; made anew by the next demo, and by nothing else. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ReplayportError } from "../errors.ts";

export interface DemoFolder {
  /** Absolute, as are the others. */
  readonly path: string;
  readonly lake: string;
  readonly engine: string;
  readonly config: string;
  readonly stage: string;
}

const MARKER = ".replayport-demo";
const EXPLANATION = "Made by `replayport demo`, which replaces this folder when it runs again. It may be removed.\n";

/**
 * Makes the folder, or makes sure that an earlier demo made it. Removes nothing yet.
 * @throws ReplayportError `usage.demo_folder` where it holds something else
 */
export async function claimFolder(path: string): Promise<DemoFolder> {
  const root = resolve(path);
  await mkdir(root, { recursive: true });
  const names = await readdir(root);
  if (names.length > 0 && !names.includes(MARKER)) {
    throw new ReplayportError(`${root} holds files that no demo made`, {
      code: "usage.demo_folder",
      remedy: "give-up",
      hint: "Name an empty or a new folder with --dir.",
    });
  }
  await writeFile(join(root, MARKER), EXPLANATION);
  return {
    path: root,
    lake: join(root, "lake"),
    engine: join(root, "clickhouse"),
    config: join(root, "schedules.yaml"),
    stage: join(root, ".stage"),
  };
}

/** Removes the lake of an earlier demo. To be called once the engine holds its data directory: no other demo runs then. */
export async function clearFolder(folder: DemoFolder): Promise<void> {
  for (const path of [folder.lake, folder.stage, folder.config]) await rm(path, { recursive: true, force: true });
}
