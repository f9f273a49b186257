/**
 * `npm run chaos -- --minutes 60`: random stories of a lake until the time is over, in a process per core. A story that fails
 * is printed with the command that plays it again. `--seed` names the first story; without `--minutes` it's the only one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { inspect, parseArgs } from "node:util";
import fc from "fast-check";
import { lakeChaosTarget } from "../destinations/lake/chaos_target.ts";
import { convergence } from "./converges.ts";
import type { StoryEvent } from "./story.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string" }, seed: { type: "string" }, shrink: { type: "boolean", default: false } },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 1_000_000_000));
const until = performance.timeOrigin + performance.now() + Number(values.minutes ?? 0) * 60_000;

interface Task {
  readonly seed: number;
}
interface Outcome {
  readonly failure: string | undefined;
}

/** The story of a seed is the same in each run and in each process. */
async function play(): Promise<void> {
  await using chaos = await convergence({ open: lakeChaosTarget, steps: 14, events: 45 });
  for (;;) {
    const [task] = (await once(process, "message")) as [Task | "end"];
    if (task === "end") break;
    const result = await fc.check(chaos.property, { seed: task.seed, numRuns: 1, endOnFailure: !values.shrink });
    process.send?.({
      failure: result.failed ? await reportOf(result) : undefined,
    } satisfies Outcome);
  }
  process.disconnect();
}

async function reportOf(result: fc.RunDetails<[StoryEvent[]]>): Promise<string> {
  return `${await fc.asyncDefaultReportMessage(result)}\n${inspect(result.errorInstance)}`;
}

let started = 0;
let failed = 0;

async function drive(child: ChildProcess): Promise<void> {
  const gone = new AbortController();
  child.once("exit", () => gone.abort(new Error("a process of stories has ended by itself")));
  while (started === 0 || Date.now() < until) {
    const seed = first + started;
    started += 1;
    child.send({ seed } satisfies Task);
    const [{ failure }] = (await once(child, "message", { signal: gone.signal })) as [Outcome];
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
  const jobs = values.minutes === undefined ? 1 : availableParallelism();
  await Promise.all(Array.from({ length: jobs }, () => drive(fork(import.meta.filename, process.argv.slice(2)))));
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(
    `${started} stories in ${minutes} minutes, from seed ${first} on: ${failed === 0 ? "all passed" : `${failed} failed`}`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}
