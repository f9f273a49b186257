/**
 * `npm run fuzz -- --minutes 20`: gives half-right texts and answers to everything that reads some, until the time is over. What
 * fails is printed with the command that plays it again.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { judge } from "./judge.ts";
import { openTargets } from "./targets.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string" }, only: { type: "string" } },
});
const ROUND = 100;
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const until = performance.now() + Number(values.minutes) * 60_000;
const targets = await openTargets();
const chosen = targets.filter(({ name }) => values.only === undefined || name === values.only);
const failed = new Set<string>();
const runs = new Map(chosen.map(({ name }) => [name, 0]));

let seed = first;
do {
  for (const { name, property } of chosen) {
    if (failed.has(name)) continue;
    const result = await fc.check(property(judge), { seed, numRuns: ROUND, interruptAfterTimeLimit: 60_000 });
    runs.set(name, (runs.get(name) ?? 0) + result.numRuns);
    if (!result.failed) continue;
    failed.add(name);
    console.log(`\n${name}: ${await fc.asyncDefaultReportMessage(result)}\n${String(result.errorInstance)}`);
    console.log(`To play it again: npm run fuzz -- --only "${name}" --seed ${seed} --minutes 0`);
  }
  seed += 1;
} while (performance.now() < until && failed.size < chosen.length);

for (const target of targets) await target[Symbol.asyncDispose]();
for (const [name, count] of runs)
  console.log(`${String(count).padStart(8)}  ${name}${failed.has(name) ? ": FAILED" : ""}`);
console.log(`from seed ${first} on: ${failed.size === 0 ? "all passed" : `${failed.size} of ${chosen.length} failed`}`);
process.exitCode = failed.size === 0 ? 0 : 1;
