/**
 * Writes the pictures of the README and the docs: pages of an example fleet, in a real browser.
 *
 *   node scripts/screenshots.ts             docs/dashboard.png and docs/export.png
 *   node scripts/screenshots.ts --all DIR   every page at 390, 768 and 1280 pixels, light and dark, to look at
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startWeb } from "../src/web/start_web.ts";
import { NO_BROWSER, openBrowser } from "../test/support/browser.ts";
import { exampleState } from "../test/support/example_fleet.ts";
import { fakeFleet, NOW } from "../test/support/fake_fleet.ts";

const TOKEN = "screenshots-of-the-pages";
const PAGES = {
  dashboard: "",
  export: "exports/replays",
  run: "run?id=replays%2Fretried",
  backfill: "backfills/k3v9x0qa",
  backfills: "backfills",
  pause: "exports/replays/pause",
  plan: "exports/replays/backfill?from=2026-09-11T00:00&to=2026-09-16T00:00&force=on&size=day",
  login: "login",
} as const;
/** How much of each is shown. */
const DOCS = { dashboard: 900, export: 1250 } as const;

const { values } = parseArgs({ options: { all: { type: "string" } } });
await using browser = (await openBrowser()) ?? fail();
const never = new AbortController().signal;
await using web = await startWeb(
  fakeFleet(exampleState()),
  { host: "127.0.0.1", port: 0, token: TOKEN, publicReads: false },
  {
    now: () => NOW,
    stopping: never,
    redact: (text) => text,
    onUnexpected: console.error,
    onWrongTokens: () => undefined,
  },
);

if (values.all === undefined) {
  for (const name of ["dashboard", "export"] as const) {
    await shoot(name, 1280, "light", `docs/${name}.png`, { height: DOCS[name], isWhole: false });
  }
} else {
  await mkdir(values.all, { recursive: true });
  for (const width of [390, 768, 1280]) {
    for (const scheme of ["light", "dark"] as const) {
      for (const name of Object.keys(PAGES) as (keyof typeof PAGES)[]) {
        const file = join(values.all, `${name}-${width}-${scheme}.png`);
        await shoot(name, width, scheme, file, { height: 900, isWhole: true });
      }
    }
  }
}

async function shoot(
  name: keyof typeof PAGES,
  width: number,
  colorScheme: "light" | "dark",
  path: string,
  { height, isWhole }: { readonly height: number; readonly isWhole: boolean },
): Promise<void> {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, timezoneId: "UTC" });
  const page = await context.newPage();
  if (name !== "login") {
    await page.goto(`${web.url}/login`);
    await page.fill("#token", TOKEN);
    await page.click("button");
  }
  await page.goto(`${web.url}/${PAGES[name]}`);
  await page.screenshot({ path, fullPage: isWhole });
  await context.close();
}

function fail(): never {
  throw new Error(NO_BROWSER);
}
