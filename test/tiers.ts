/**
 * Which test files a run includes, and in which order. A file's tier follows from its name and imports, so there is nothing
 * to keep up to date by hand:
 *
 *   fast      starts no process: neither the file nor a helper that it imports names what starts one. `npm test -- --fast`
 *   default   everything except slow files. `npm test`
 *   slow      named `*.slow.test.ts`: over half a minute, and rarely broken. `npm test -- --all`, as CI does
 *
 * `npm test -- WORD` runs every file whose path contains the word, slow ones included.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface Selection {
  readonly tier: "fast" | "default" | "all";
  /** Parts of paths. None means every file of the tier. */
  readonly words: readonly string[];
}

const IMPORT = /(?:\bfrom\s+|\bimport\(|\bimport\s+)"([^"]+)"/g;
/** What starts a process: a server, the embedded engine, or a command of ours. */
const STARTS_PROCESSES: ReadonlySet<string> = new Set([
  "node:child_process",
  "src/clickhouse_server/start.ts",
  "playwright-core",
]);
/** Names the harnesses of all destinations without opening one. */
const FAST_ANYWAY = "test/house/";

/**
 * The files that run longest, longest first. They start first, so that the last minutes of a run don't wait for one file
 * while a core idles. The summary of a run prints the durations to compare with.
 */
export const LONGEST: readonly string[] = [
  "test/fleet/thousand.slow.test.ts",
  "test/destinations/snowflake/faults.test.ts",
  "test/conformance/bigquery.test.ts",
  "test/chaos/convergence_bigquery.slow.test.ts",
  "test/stories/audit.test.ts",
  "test/conformance/snowflake.test.ts",
  "test/conformance/bigquery_crash.slow.test.ts",
  "test/conformance/snowflake_crash.slow.test.ts",
  "test/chaos/convergence_snowflake.slow.test.ts",
  "test/destinations/bigquery/cli.slow.test.ts",
  "test/chaos/convergence.test.ts",
  "test/fleet/shutdown.test.ts",
  "test/stories/source_word.test.ts",
  "test/stories/clock.test.ts",
  "test/destinations/warehouse_formats.test.ts",
  "test/deploy/helm.slow.test.ts",
  "test/web/browser.slow.test.ts",
  "test/e2e/package.slow.test.ts",
];

export function selectTests({ tier, words }: Selection): string[] {
  const files = globSync("test/**/*.test.ts").sort();
  const named = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  const selected = named.filter((file) => {
    if (tier === "fast") return isFast(file);
    return tier === "all" || words.length > 0 || !isSlow(file);
  });
  return selected.sort((one, other) => rank(one) - rank(other));
}

export function isSlow(file: string): boolean {
  return file.endsWith(".slow.test.ts");
}

/** Whether the file starts no process, judged by what it and the helpers of test/ that it reaches import. */
export function isFast(file: string): boolean {
  if (file.startsWith(FAST_ANYWAY)) return true;
  const seen = new Set([file]);
  for (const reached of seen) {
    for (const target of importsOf(reached)) {
      if (STARTS_PROCESSES.has(target)) return false;
      if (target.startsWith("test/") && existsSync(target)) seen.add(target);
    }
  }
  return true;
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].map(([, target = ""]) =>
    target.startsWith(".") ? normalize(join(dirname(file), target)) : target,
  );
}

function rank(file: string): number {
  const index = LONGEST.indexOf(file);
  return index === -1 ? LONGEST.length : index;
}
