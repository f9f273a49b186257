/**
 * `npm run test:oldest-node`: the product on the oldest Node.js that package.json's `engines` allows.
 *
 * 1. Installs that Node.js into .tools/ (once).
 * 2. Builds the package and runs its demo there: source, stage, lake, receipts, SQL and the proof, by the real command line.
 * 3. Compiles the tests and runs the fast tier there. They can't run from the sources as they do on Node.js 24: type stripping keeps
 *    `await using`, which Node.js 22 doesn't parse.
 *
 * Exits 1 if anything fails. Tests that can't run there are listed below with the reason, and printed.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { selectTests } from "../test/tiers.ts";

/** Beginnings of the paths of tests that don't run there, and why. */
const NOT_THERE: Readonly<Record<string, string>> = {
  "test/house/": "reads the sources, which are the same on every Node.js",
};

const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as { engines: { node: string } };
const version = engines.node.replace(/^>=/, "");
const home = resolve(".tools", `node-${version}`);
const node = join(home, "node_modules/node/bin/node");
const run = (command: string, args: readonly string[], cwd = "."): void => {
  execFileSync(command, args, { cwd, stdio: "inherit" });
};

function install(): void {
  if (existsSync(node)) return;
  mkdirSync(home, { recursive: true });
  const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } };
  writeFileSync(join(home, "package.json"), JSON.stringify(manifest));
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], home);
}

/** The built package tells its own story, in a folder that goes afterwards. */
function demo(): void {
  run("npm", ["run", "--silent", "build"]);
  const folder = join(home, "demo");
  rmSync(folder, { recursive: true, force: true });
  run(node, ["dist/src/cli/main.js", "demo", "--sessions", "5000", "--days", "1", "--dir", folder]);
  run(node, ["dist/src/cli/main.js", "status", "--config", join(folder, "schedules.yaml")]);
  rmSync(folder, { recursive: true, force: true });
}

/** Everything compiled, beside the files that the tests read. */
function compile(tree: string): void {
  rmSync(tree, { recursive: true, force: true });
  run("npx", ["tsc", "--noEmit", "false", "--outDir", tree, "--rootDir", "."]);
  const compiled = ["src", "destinations", "test", "bench", "scripts"];
  for (const entry of globSync("*").filter((one) => !compiled.includes(one))) {
    symlinkSync(resolve(entry), join(tree, entry));
  }
  const others = globSync(`{${compiled.join(",")}}/**/*.*`).filter((file) => !file.endsWith(".ts"));
  for (const file of others) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(file, join(tree, file), { recursive: true });
  }
}

install();
console.log(`On Node.js ${version}: the demo of the built package`);
demo();
const tree = join(home, "tree");
compile(tree);
const reasonOf = (file: string): string | undefined =>
  Object.entries(NOT_THERE).find(([path]) => file.startsWith(path))?.[1];
const files = selectTests({ tier: "fast", words: [] });
console.log(`On Node.js ${version}: the fast tests, compiled`);
for (const file of files.filter(reasonOf)) console.log(`  not run: ${file}: ${reasonOf(file)}`);
run(
  node,
  [
    "--no-warnings",
    "--test",
    "--test-timeout=300000",
    "--test-reporter=dot",
    "--test-reporter-destination=stdout",
    "--test-reporter=./test/summary.js",
    "--test-reporter-destination=stdout",
    ...files.filter((file) => reasonOf(file) === undefined).map((file) => file.replace(/\.ts$/, ".js")),
  ],
  tree,
);
