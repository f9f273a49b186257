/** The pages as a server of the tests shows them, and somebody who visits them with a browser. */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import type { Fleet } from "../../src/fleet/fleet.ts";
import { startWeb, type Web } from "../../src/web/start_web.ts";
import { NOW } from "../support/fake_fleet.ts";

const TOKEN = "t0ken-of-the-browser-0123456789";
/** Of a busy machine. */
const PATIENCE_MS = 60_000;
const stopping = new AbortController().signal;

export async function serve(fleet: Fleet, now: () => Date = () => NOW): Promise<Web> {
  const options = { host: "127.0.0.1", port: 0, token: TOKEN, publicReads: false };
  return await startWeb(fleet, options, {
    now,
    stopping,
    redact: (text) => text,
    onUnexpected: (error) => assert.fail(String(error)),
    onWrongTokens: () => undefined,
  });
}

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser complained of: errors of scripts, and what the policy refused. */
  readonly complaints: string[];
  open(path: string): Promise<void>;
}

/** Somebody who is logged in. */
export async function visitWith(browser: Browser, web: Web, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // A page of an error is an answer with its status.
    const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status");
    if (message.type() === "error" && !isStatus) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${web.url}/login`);
  await page.fill("#token", TOKEN);
  await page.click("button");
  await page.waitForSelector("h1");
  return {
    page,
    context,
    complaints,
    open: async (path) => void (await page.goto(`${web.url}/${path}`)),
    [Symbol.asyncDispose]: async () => await context.close(),
  };
}
