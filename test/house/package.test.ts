/** What goes to npm: the files that README and docs name are in the package, and a release that isn't ready is refused. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { suite, test } from "node:test";
import { obstacles, type ReleaseState } from "../../scripts/release.ts";

const READY: ReleaseState = {
  manifest: { version: "1.2.3", repository: "r", homepage: "h", bugs: "b" },
  changelog: "# Changelog\n\n## 1.2.3 – 2026-12-01\n\n## 1.2.2 – 2026-11-01\n",
  chart: 'version: 1.2.3\nappVersion: "1.2.3"\n',
  tags: ["v1.2.2"],
  branch: "main",
  status: "",
};

suite("the package on npm", () => {
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as [{ files: { path: string }[] }];
  const files = new Set(packed.files.map(({ path }) => path));

  test("what README, examples and docs link to is in it, except for sources and what only a clone has", () => {
    // dist has the sources, built; tests and Docker's files are for those who work on a clone.
    const ONLY_IN_A_CLONE = /^(src|destinations|test|docker)\/|^compose\.yaml$/;
    const missing = ["README.md", ...globSync("{docs,examples}/**/*.md")].flatMap((page) => {
      const links = [...readFileSync(page, "utf8").matchAll(/\]\((?![a-z]+:|#|\/)([^)#\s]+)/g)];
      return links
        .map(([, link = ""]) => posix.join(posix.dirname(page), link))
        .filter((target) => !files.has(target) && ![...files].some((file) => file.startsWith(`${target}/`)))
        .filter((target) => !ONLY_IN_A_CLONE.test(target))
        .map((target) => `${page}: ${target}`);
    });
    assert.deepEqual(missing, []);
  });

  test("it has no tests, no site and no secrets", () => {
    const strange = [...files].filter((file) =>
      /^(test|scripts|node_modules)\/|\.vitepress|\.env|\.github|\.tools/.test(file),
    );
    assert.deepEqual(strange, []);
  });
});

suite("a release", () => {
  test("nothing is in the way of a clean tree with a dated version", () => {
    assert.deepEqual(obstacles(READY), []);
  });

  const CASES: readonly (readonly [name: string, change: Partial<ReleaseState>, says: RegExp])[] = [
    ["a file that isn't committed", { status: " M README.md" }, /isn't clean[^]*README\.md/],
    ["another branch", { branch: "fix" }, /branch fix/],
    ["a version without an entry in the changelog", { changelog: "## 1.2.2 – 2026-11-01\n" }, /begins with 1\.2\.2/],
    ["a version without a date", { changelog: "## 1.2.3 – unreleased\n" }, /no date for 1\.2\.3/],
    ["a chart of another version", { chart: 'version: 1.2.3\nappVersion: "1.2.2"\n' }, /Chart\.yaml/],
    ["a version that is tagged", { tags: ["v1.2.2", "v1.2.3"] }, /tag v1\.2\.3 exists/],
    ["a package without an address", { manifest: { version: "1.2.3", homepage: "h", bugs: "b" } }, /no repository/],
    ["a version that is none", { manifest: { ...READY.manifest, version: "1.2" } }, /1\.2 is no version/],
  ];
  for (const [name, change, says] of CASES) {
    test(`${name} is in the way of a release`, () => {
      assert.match(obstacles({ ...READY, ...change }).join("\n"), says);
    });
  }
});
