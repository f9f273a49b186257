/**
 * Completes package-lock.json with the binary packages of other platforms.
 *
 * npm leaves an optional package out of the lock file when the registry at hand does not carry it, and `npm ci` then
 * refuses the lock file everywhere ("Missing: … from lock file"). An entry with version, os, cpu and `optional` settles
 * it on every platform. Download addresses are removed: they belong to a machine, not to the project.
 *
 * `node scripts/complete-lock.ts` rewrites the file; with `--check` it only says what is missing and exits 1.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface Entry {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, Entry>;
}

const PLATFORM =
  /(?<os>darwin|linux|win32|android|freebsd|openharmony)-(?<cpu>arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(?<abi>\w+))?$/;

function platformEntry(name: string, version: string, parent: Entry): Entry | undefined {
  const match = PLATFORM.exec(name)?.groups;
  if (match?.["os"] === undefined || match["cpu"] === undefined) return undefined;
  const abi = match["abi"] ?? "";
  return {
    version,
    cpu: [match["cpu"]],
    ...(parent.dev === true ? { dev: true } : {}),
    ...(abi.startsWith("musl") ? { libc: ["musl"] } : abi.startsWith("gnu") ? { libc: ["glibc"] } : {}),
    optional: true,
    os: [match["os"]],
  };
}

/** Without a hash, npm installs whatever the registry gives. The registry at hand lacks these, so their hashes can't be written down. */
const WITHOUT_HASH = /^node_modules\/@chdb\/lib-(?!linux-x64)/;

/** Adds what is missing and removes addresses, in place; returns one line for each finding. */
export function completeLock(lock: Lock): string[] {
  const findings: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (entry.resolved !== undefined) {
      findings.push(`${path}: carries a download address`);
      delete entry.resolved;
    }
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const known = Object.keys(lock.packages).some((key) => key.endsWith(`node_modules/${name}`));
      if (known) continue;
      const added = platformEntry(name, version, entry);
      findings.push(`${path}: lacks ${name}@${version}${added ? "" : ", whose platform its name does not tell"}`);
      if (added) lock.packages[`node_modules/${name}`] = added;
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  return findings;
}

/** The entries that npm couldn't verify. To get a hash, remove the entry and run npm run lock. */
export function unverified(lock: Lock): string[] {
  const entries = Object.entries(lock.packages).filter(([path]) => path !== "" && !WITHOUT_HASH.test(path));
  return entries.flatMap(([path, { integrity, link }]) =>
    integrity === undefined && link !== true ? [`${path}: lacks integrity`] : [],
  );
}

if (import.meta.main) {
  const file = new URL("../package-lock.json", import.meta.url);
  const lock = JSON.parse(readFileSync(file, "utf8")) as Lock;
  const findings = [...completeLock(lock), ...unverified(lock)];
  for (const finding of findings) console.log(finding);
  if (process.argv.includes("--check")) {
    console.log(findings.length === 0 ? "package-lock.json is complete" : "run: npm run lock");
    process.exitCode = findings.length === 0 ? 0 : 1;
  } else {
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  }
}
