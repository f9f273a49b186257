/**
 * Fails on a known vulnerability, high or critical, in what is installed with the package. Only the registry knows them; one
 * that doesn't answer isn't a failure, unless `--required` says so.
 *
 * `node scripts/audit-dependencies.ts [--required]`
 */
import { spawnSync } from "node:child_process";

interface Report {
  /** By the package's name. Missing where the registry didn't answer. */
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
  readonly message?: string;
  readonly error?: { readonly summary?: string };
}

interface Vulnerability {
  readonly severity: string;
  readonly range: string;
  /** Advisories, and names of vulnerable packages that it depends on. */
  readonly via: readonly (string | { readonly title: string; readonly url: string })[];
  readonly fixAvailable: boolean | { readonly name: string; readonly version: string };
}

const FAILS: ReadonlySet<string> = new Set(["high", "critical"]);
const ANSWER_MS = 60_000;

const { stdout, error } = spawnSync("npm", ["audit", "--omit=dev", "--package-lock-only", "--json"], {
  encoding: "utf8",
  timeout: ANSWER_MS,
});
const { vulnerabilities, message, error: refusal } = parse(stdout);
if (vulnerabilities === undefined) {
  const why = error?.message ?? message ?? refusal?.summary ?? "no answer";
  console.log(`not answered here: ${why}`);
  if (process.argv.includes("--required")) process.exitCode = 1;
} else {
  const all = Object.entries(vulnerabilities);
  for (const [name, { severity, range, via, fixAvailable }] of all) {
    const titles = via.map((one) => (typeof one === "string" ? one : `${one.title} (${one.url})`)).join("; ");
    const fix = typeof fixAvailable === "object" ? `fixed by ${fixAvailable.name}@${fixAvailable.version}` : "";
    console.log([severity, `${name} ${range}`, titles, fix].filter((part) => part !== "").join(" · "));
  }
  const failing = all.filter(([, { severity }]) => FAILS.has(severity)).length;
  console.log(`${all.length} known vulnerabilities in production dependencies, ${failing} of them high or critical`);
  if (failing > 0) process.exitCode = 1;
}

function parse(text: string): Report {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return {};
  }
}
