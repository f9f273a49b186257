/**
 * `npm run chaos -- --minutes 60`: random stories of a lake until the time is over, in two processes per core, since each
 * waits half of its time. A story that fails
 * is printed with the command that plays it again. In the end it prints how often each thing has happened, and in how many
 * stories. `--seed` names the first story; without `--minutes` it's the only one. `--shrink` looks for a shorter one that fails,
 * `--first-failure` stops there.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { inspect, parseArgs } from "node:util";
import fc from "fast-check";
import { lakeChaosTarget } from "../destinations/lake/chaos_target.ts";
import { convergence } from "./converges.ts";
import { LAKE_STORIES, type Story } from "./story.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string" },
    jobs: { type: "string" },
    "first-failure": { type: "boolean", default: false },
    shrink: { type: "boolean", default: false },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 1_000_000_000));
const until = performance.timeOrigin + performance.now() + Number(values.minutes ?? 0) * 60_000;

interface Task {
  readonly seed: number;
}
interface Outcome {
  readonly failure: string | undefined;
  readonly counts: readonly (readonly [what: string, times: number])[];
}

/** The story of a seed is the same in each run and in each process. */
async function play(): Promise<void> {
  await using chaos = await convergence({ open: lakeChaosTarget, ...LAKE_STORIES });
  for (;;) {
    const [task] = (await once(process, "message")) as [Task | "end"];
    if (task === "end") break;
    const result = await fc.check(chaos.property, { seed: task.seed, numRuns: 1, endOnFailure: !values.shrink });
    process.send?.({
      failure: result.failed ? await reportOf(result) : undefined,
      counts: [...chaos.counts],
    } satisfies Outcome);
  }
  process.disconnect();
}

async function reportOf(result: fc.RunDetails<[Story]>): Promise<string> {
  return `${await fc.asyncDefaultReportMessage(result)}\n${inspect(result.errorInstance)}`;
}

let started = 0;
let failed = 0;
const totals = new Map<string, { times: number; stories: number }>();

async function drive(child: ChildProcess): Promise<void> {
  const gone = new AbortController();
  child.once("exit", () => gone.abort(new Error("a process of stories has ended by itself")));
  while (started === 0 || (Date.now() < until && !(values["first-failure"] && failed > 0))) {
    const seed = first + started;
    started += 1;
    child.send({ seed } satisfies Task);
    const [{ failure, counts }] = (await once(child, "message", { signal: gone.signal })) as [Outcome];
    for (const [what, times] of counts) {
      const total = totals.get(what) ?? { times: 0, stories: 0 };
      totals.set(what, { times: total.times + times, stories: total.stories + 1 });
    }
    if (failure === undefined) continue;
    failed += 1;
    console.error(`${failure}\n\nStory ${seed} failed. To play it again: npm run chaos -- --seed ${seed}\n`);
  }
  child.send("end");
}

if (process.send) {
  await play();
} else {
  const began = performance.now();
  const jobs = values.minutes === undefined ? 1 : Number(values.jobs ?? 2 * availableParallelism());
  await Promise.all(Array.from({ length: jobs }, () => drive(fork(import.meta.filename, process.argv.slice(2)))));
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  for (const [what, { times, stories }] of [...totals].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${what.padEnd(60)} ${String(times).padStart(6)} times in ${String(stories).padStart(5)} stories`);
  console.log(
    `${started} stories in ${minutes} minutes, from seed ${first} on: ${failed === 0 ? "all passed" : `${failed} failed`}`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}
