/** The documentation site, as it is built: every link leads somewhere, nothing comes from another server, and it can be read on a phone. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, posix } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { createMarkdownRenderer } from "vitepress";
import { linkToRepository, pathOutside, repositoryPage } from "../../scripts/site_links.ts";
import { NO_BROWSER, openBrowser } from "../support/browser.ts";

const root = join(import.meta.dirname, "../..");
const sources = globSync("**/*.md", { cwd: join(root, "docs") }).sort();
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".png": "image/png",
};

suite("the documentation site", () => {
  let site = "";
  let pages: ReadonlyMap<string, string> = new Map();

  before(async () => {
    site = await mkdtemp(join(tmpdir(), "replayport-test-"));
    // A link to a page that doesn't exist fails here.
    await promisify(execFile)("npx", ["vitepress", "build", "docs", "--outDir", site], { cwd: root });
    pages = new Map(globSync("**/*.html", { cwd: site }).map((file) => [file, readFileSync(join(site, file), "utf8")]));
  });
  after(async () => {
    await rm(site, { recursive: true, force: true });
  });

  test("every page of docs/ is in it, and the sidebar leads to each", () => {
    const built = [...pages.keys()].filter((file) => file !== "404.html").sort();
    assert.deepEqual(
      built,
      sources.map((file) => file.replace(/\.md$/, ".html")),
    );
    const index = pages.get("index.html") ?? "";
    const sidebar = index.slice(index.indexOf("VPSidebar"), index.indexOf("</aside>"));
    const led = new Set([...sidebar.matchAll(/href="\/([^"]*)"/g)].map(([, path = ""]) => path || "index.html"));
    assert.deepEqual(
      built.filter((file) => !led.has(file)),
      [],
    );
  });

  test("every link within the site leads to a page, and its anchor to a heading", () => {
    const ids = new Map(
      [...pages].map(([file, html]) => [file, new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
    );
    const dead: string[] = [];
    let links = 0;
    for (const [file, html] of pages) {
      if (file === "404.html") continue;
      for (const [, href = ""] of html.slice(html.indexOf("<main")).matchAll(/<a [^>]*href="([^"]+)"/g)) {
        if (/^[a-z]+:/.test(href)) continue;
        links += 1;
        const [path = "", anchor] = href.split("#");
        const target = path === "" ? file : posix.join("/", posix.dirname(file), path).slice(1);
        const page = path.startsWith("/") ? path.slice(1) || "index.html" : target;
        if (!ids.has(page)) dead.push(`${file}: ${href}`);
        else if (anchor && !ids.get(page)?.has(decodeURIComponent(anchor))) dead.push(`${file}: ${href}`);
      }
    }
    assert.ok(links > 100);
    assert.deepEqual(dead, []);
  });

  test("what pages say of files outside of docs/ is there", () => {
    const missing: string[] = [];
    for (const page of sources) {
      const text = readFileSync(join(root, "docs", page), "utf8");
      for (const [, href = ""] of text.matchAll(/\]\((\.[^)#\s]+)/g)) {
        const path = pathOutside(page, href);
        if (path !== undefined && !existsSync(join(root, path))) missing.push(`${page}: ${href}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  test("links out of docs/ lead to the repository, or are text while package.json names none", async () => {
    const md = await createMarkdownRenderer(join(root, "docs"));
    linkToRepository(md, "https://git.example.com/acme/replayport");
    const linked = md.render("[the code](../src/errors.ts) and [a page](fleet.md)", { relativePath: "a.md" });
    assert.match(linked, /href="https:\/\/git\.example\.com\/acme\/replayport\/blob\/HEAD\/src\/errors\.ts"/);
    assert.match(linked, /<a href="\.\/fleet\.html"/);

    const path = "destinations/destination.ts";
    const repository = repositoryPage();
    const expected =
      repository === undefined ? `<span title="${path} in the repository">` : `href="${repository}/blob/HEAD/${path}"`;
    assert.ok(pages.get("glossary.html")?.includes(expected));
  });

  test("no page loads anything from another server", () => {
    const LOADS = /<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(?:https?:)?\/\/[^"]*"|@import|url\(["']?https?:/g;
    for (const [file, html] of pages) assert.deepEqual(html.match(LOADS) ?? [], [], file);
    for (const file of globSync("assets/**/*.css", { cwd: site })) {
      assert.deepEqual(readFileSync(join(site, file), "utf8").match(LOADS) ?? [], [], file);
    }
  });

  test("in a browser, pages fit 390 pixels, and the search finds a config key", { timeout: 120_000 }, async (t) => {
    await using browser = await openBrowser();
    if (browser === undefined) {
      t.skip(NO_BROWSER);
      return;
    }
    const server = await serve(site);
    try {
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
      const page = await context.newPage();
      const elsewhere: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("data:"))
          elsewhere.push(request.url());
      });
      for (const path of ["index.html", "quick-start.html", "config.html", "snowflake.html", "error-codes.html"]) {
        await page.goto(`${origin}/${path}`);
        const [content, screen] = await page.evaluate<[number, number]>(
          "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
        );
        assert.ok(content <= screen, `${path} is ${content} pixels wide on a screen of ${screen}`);
      }
      await page.click("#local-search button");
      await page.fill("#localsearch-input", "quiet_after");
      await page.waitForSelector("#localsearch-list a", { timeout: 60_000 });
      assert.deepEqual(elsewhere, []);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

/** The folder over HTTP, as any web server would serve it. */
async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const file = join(folder, decodeURIComponent(new URL(request.url ?? "/", "http://site").pathname));
    readFile(file).then(
      (bytes) =>
        response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
