/**
 * Links out of docs/, to sources and to files at the top of the repository. On the site they lead to the repository that
 * package.json names. Without one they're shown as text, since there's nowhere to lead to.
 */
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import type { MarkdownRenderer } from "vitepress";

const manifest = new URL("../package.json", import.meta.url);

/** The address of the repository's page, or undefined while package.json names none. */
export function repositoryPage(): string | undefined {
  const { repository } = JSON.parse(readFileSync(manifest, "utf8")) as { repository?: string | { url: string } };
  const address = typeof repository === "string" ? repository : repository?.url;
  return address?.replace(/^git\+/, "").replace(/\.git$/, "");
}

/** The path in the repository that a link of a page leads to, or undefined if it stays in docs/. */
export function pathOutside(page: string, href: string): string | undefined {
  if (!href.startsWith(".")) return undefined;
  const target = posix.join("docs", posix.dirname(page), href);
  return target.startsWith("docs/") ? undefined : target;
}

export function linkToRepository(md: MarkdownRenderer, repository = repositoryPage()): void {
  md.core.ruler.push("repository", ({ tokens, env, Token }) => {
    const page = (env as { relativePath?: string }).relativePath ?? "";
    for (const { children } of tokens) {
      let isText = false;
      for (const token of children ?? []) {
        const path = token.type === "link_open" && pathOutside(page, token.attrGet("href") ?? "");
        if (typeof path === "string" && repository !== undefined) {
          token.attrSet("href", `${repository}/blob/HEAD/${path}`);
        } else if (typeof path === "string") {
          isText = true;
          replace(token, `<span title="${path} in the repository">`);
        } else if (isText && token.type === "link_close") {
          isText = false;
          replace(token, "</span>");
        }
      }
    }

    function replace(token: InstanceType<typeof Token>, html: string): void {
      token.type = "html_inline";
      token.tag = "";
      token.nesting = 0;
      token.content = html;
    }
  });
}
