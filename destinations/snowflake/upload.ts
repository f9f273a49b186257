/** Puts a batch's files into the stage, several at a time. */
import { basename } from "node:path";
import type { Batch, Totals } from "../destination.ts";
import { eachFile } from "../files/each_file.ts";
import type { Stage } from "./stage.ts";

/** The driver sends a file in one request, which doesn't fill a fast line. */
const UPLOADS = 4;

export interface Uploaded {
  /** The files' names, in order. PUT keeps the name of the local file. */
  readonly names: readonly string[];
  readonly totals: Totals;
}

export async function uploadFiles(stage: Stage, folder: string, batch: Batch, signal: AbortSignal): Promise<Uploaded> {
  const names = new Set<string>();
  const { totals } = await eachFile(
    batch.files,
    UPLOADS,
    async (file, inner) => {
      const name = basename(file.path);
      if (names.has(name)) throw new Error(`two staged files are called ${name}`);
      names.add(name);
      await stage.put(folder, name, file, inner);
    },
    signal,
  );
  return { names: [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true })), totals };
}
