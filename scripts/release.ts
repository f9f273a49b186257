/**
 * `npm run release`: checks that this commit can be released, packs it, and after a yes tags and publishes it.
 *
 *   npm run release -- --dry-run   everything up to the tag; changes nothing
 *   npm run release                the same, then asks; only the version, typed out, is a yes
 *
 * The tests aren't run here: release a commit that CI has passed. Exits 1 if anything is in the way, and lists all of it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";

export interface ReleaseState {
  readonly manifest: {
    readonly version: string;
    readonly repository?: unknown;
    readonly homepage?: unknown;
    readonly bugs?: unknown;
  };
  readonly changelog: string;
  /** Chart.yaml of the Helm chart. */
  readonly chart: string;
  readonly tags: readonly string[];
  readonly branch: string;
  /** `git status --porcelain` */
  readonly status: string;
}

/** What is in the way of a release, each with what to do. */
export function obstacles({ manifest, changelog, chart, tags, branch, status }: ReleaseState): string[] {
  const { version } = manifest;
  const [, newest = "", date = ""] = /^## (\S+)(?: [–-] (.+))?$/m.exec(changelog) ?? [];
  const chartVersions = [...chart.matchAll(/^(?:appVersion|version): "?([^"\n]+)"?$/gm)].map(([, value]) => value);
  return [
    ...(status === "" ? [] : [`The tree isn't clean. Commit or remove:\n${status}`]),
    ...(branch === "main" ? [] : [`This is the branch ${branch}. Release from main.`]),
    ...(/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) ? [] : [`${version} is no version, in package.json.`]),
    ...(newest === version ? [] : [`CHANGELOG.md begins with ${newest}, package.json says ${version}.`]),
    ...(/^\d{4}-\d{2}-\d{2}$/.test(date)
      ? []
      : [`CHANGELOG.md has no date for ${version}: ## ${version} – YYYY-MM-DD`]),
    ...(chartVersions.every((one) => one === version) ? [] : [`deploy/helm/Chart.yaml isn't at ${version}.`]),
    ...(tags.includes(`v${version}`) ? [`The tag v${version} exists. Raise the version.`] : []),
    // npm resolves a README's relative links by the repository's address.
    ...(["repository", "homepage", "bugs"] as const)
      .filter((field) => manifest[field] === undefined)
      .map((field) => `package.json has no ${field}. Without it, the package's page on npm leads nowhere.`),
  ];
}

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: "utf8" }).trim();
const show = (command: string, ...args: string[]): void => {
  console.log(`$ ${command} ${args.join(" ")}`);
  execFileSync(command, args, { stdio: "inherit" });
};

function read(): ReleaseState {
  return {
    manifest: JSON.parse(readFileSync("package.json", "utf8")) as ReleaseState["manifest"],
    changelog: readFileSync("CHANGELOG.md", "utf8"),
    chart: readFileSync("deploy/helm/Chart.yaml", "utf8"),
    tags: run("git", "tag", "--list").split("\n"),
    branch: run("git", "rev-parse", "--abbrev-ref", "HEAD"),
    status: run("git", "status", "--porcelain"),
  };
}

async function release(isDryRun: boolean): Promise<void> {
  const state = read();
  const { version } = state.manifest;
  const found = obstacles(state);
  for (const obstacle of found) console.error(`✗ ${obstacle}`);
  if (found.length > 0) {
    console.error(`${version} can't be released yet.`);
    process.exitCode = 1;
    if (!isDryRun) return;
  }
  show("npm", "run", "--silent", "check");
  // Builds, and lists what is in the package.
  show("npm", "pack", "--dry-run");
  if (isDryRun) {
    console.log(`A dry run: nothing was tagged or published. Next would be: git tag v${version}, npm publish`);
    return;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question(`Tag v${version} and publish it to npm? Type ${version} for yes: `);
  prompt.close();
  if (answer.trim() !== version) {
    console.log("Nothing was tagged or published.");
    return;
  }
  show("git", "tag", "--annotate", `v${version}`, "--message", `Replayport ${version}`);
  show("npm", "publish");
  console.log(`Published. Push the tag: git push origin v${version}`);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { "dry-run": { type: "boolean", default: false } } });
  await release(values["dry-run"]);
}
