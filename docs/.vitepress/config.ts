/**
 * The documentation site: the pages of docs/, as they are. `npm run docs:site` builds it into docs/.vitepress/dist. It loads
 * nothing from other servers, and its search runs in the browser.
 */
import { globSync, readFileSync } from "node:fs";
import { defineConfig, type DefaultTheme } from "vitepress";
import { linkToRepository, repositoryPage } from "../../scripts/site_links.ts";

const repository = repositoryPage();

/** The pages in order. test/docs/site.test.ts finds pages that no entry leads to. */
const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: "Start",
    items: [
      { text: "What Replayport is", link: "/" },
      { text: "Quick start", link: "/quick-start" },
      { text: "How incremental loads work", link: "/concepts" },
      { text: "Recipes", link: "/recipes" },
      { text: "FAQ", link: "/faq" },
    ],
  },
  {
    text: "Destinations",
    items: [
      { text: "Lake: files on disk or S3", link: "/lake" },
      { text: "S3", link: "/s3" },
      { text: "Apache Iceberg", link: "/iceberg" },
      { text: "Snowflake", link: "/snowflake" },
      { text: "BigQuery", link: "/bigquery" },
    ],
  },
  {
    text: "Operations",
    items: [
      { text: "The fleet", link: "/fleet" },
      { text: "Backfills", link: "/backfills" },
      { text: "Dashboard and HTTP API", link: "/http" },
      { text: "Monitoring", link: "/monitoring" },
      { text: "systemd", link: "/systemd" },
      { text: "Docker", link: "/docker" },
      { text: "Kubernetes", link: "/kubernetes" },
      { text: "Sizing and cost", link: "/sizing" },
      { text: "Upgrade and compatibility", link: "/compatibility" },
    ],
  },
  {
    text: "Reference",
    items: [
      { text: "Config", link: "/config" },
      { text: "Columns", link: "/columns" },
      { text: "Choosing rows and columns", link: "/rows" },
      { text: "Commands", link: "/commands" },
      { text: "Error codes", link: "/error-codes" },
      { text: "Run states", link: "/run-states" },
      { text: "Glossary", link: "/glossary" },
    ],
  },
  { text: "Decisions", collapsed: true, items: decisions() },
];

export default defineConfig({
  title: "Replayport",
  description: "PostHog's session replays, as a table in your lake or warehouse",
  cleanUrls: false,
  lastUpdated: false,
  markdown: { config: linkToRepository },
  themeConfig: {
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
    ...(repository === undefined ? {} : { socialLinks: [{ icon: "github", link: repository }] }),
  },
});

function decisions(): DefaultTheme.SidebarItem[] {
  const folder = new URL("../adr/", import.meta.url).pathname;
  return globSync("*.md", { cwd: folder })
    .sort()
    .map((file) => ({
      text: readFileSync(`${folder}${file}`, "utf8").split("\n", 1)[0]?.replace(/^# /, "") ?? file,
      link: `/adr/${file.replace(/\.md$/, "")}`,
    }));
}
