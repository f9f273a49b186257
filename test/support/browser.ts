/** Chromium without a window, for tests of what the pages do in a browser. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Why tests are skipped without one. */
export const NO_BROWSER =
  "there is no Chromium; install one (apt-get install chromium) or set REPLAYPORT_TEST_CHROMIUM";

export async function openBrowser(): Promise<Browser | undefined> {
  const given = process.env["REPLAYPORT_TEST_CHROMIUM"];
  const executablePath = given ?? PLACES.find((path) => existsSync(path));
  if (executablePath === undefined) return undefined;
  // Containers often run as root, without namespaces and with little shared memory.
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}
