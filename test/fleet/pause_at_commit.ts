/**
 * Loaded into a worker's process before its own code (`node --import`): where a lake on disk commits a batch, the process
 * stands still until a file says otherwise, so that a test can kill it, stop it or overtake it there. STAND_STILL names the
 * place (`before` or `after` the manifest is there), STAND_STILL_FOLDER where the process leaves a file with its pid, and
 * looks for the file `go`.
 */
import { existsSync, promises, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { STAND_STILL: place, STAND_STILL_FOLDER: folder = "." } = process.env;
const { rename } = promises;

async function standStill(): Promise<void> {
  writeFileSync(join(folder, String(process.pid)), "");
  while (!existsSync(join(folder, "go"))) await sleep(10);
}

promises.rename = async (existing, path) => {
  const commits = String(path).endsWith(".json");
  if (commits && place === "before") await standStill();
  await rename(existing, path);
  if (commits && place === "after") await standStill();
};
syncBuiltinESMExports();
