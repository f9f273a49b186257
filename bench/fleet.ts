/** The figures of the fleet: jobs a second, and a tick over very many exports. Each comes from a process of its own. */
import prettyBytes from "pretty-bytes";
import { ownRedis, redisServer } from "../test/support/redis.ts";
import { ask } from "./ask.ts";
import type { FleetJob, JobsAnswer, TickAnswer } from "./jobs/fleet.ts";

const EXPORTS = 10_000;
const JOBS = { exports: 20, hours: 250 };

async function measure(job: FleetJob, signal: AbortSignal): Promise<JobsAnswer | TickAnswer> {
  return await ask<JobsAnswer | TickAnswer>("jobs/fleet.ts", job, signal, ["--expose-gc"]);
}

const bytes = (value: number): string => prettyBytes(Math.max(0, value), { maximumFractionDigits: 0 });
const seconds = (value: number): string => `${value.toFixed(2)} s`;

/** Lines in Markdown; why there are none where there is no Redis. */
export async function measureFleet(signal: AbortSignal): Promise<string> {
  const given = process.env["REDIS_URL"];
  const opened = await (given === undefined || given === "" ? ownRedis() : redisServer());
  if ("skip" in opened) return `The fleet was not measured: ${opened.skip}.`;
  await using redis = opened;
  const lines: string[] = [];
  for (const concurrency of [1, 8]) {
    const answer = await measure({ kind: "jobs", redisUrl: redis.url, ...JOBS, concurrency }, signal);
    if (answer.kind !== "jobs") continue;
    const rate = answer.jobs / answer.seconds;
    const cost = (answer.cores / answer.jobs) * 1000;
    lines.push(
      `- ${answer.jobs.toLocaleString("en-US")} empty intervals of ${JOBS.exports} exports from due to done, one worker with ` +
        `concurrency ${concurrency}: **${Math.round(rate)} a second**, ${cost.toFixed(1)} core-milliseconds each`,
    );
  }
  const answer = await measure(
    { kind: "tick", redisUrl: redis.url, exports: EXPORTS, hours: 0, concurrency: 0 },
    signal,
  );
  if (answer.kind === "tick") {
    lines.push(
      `- a tick over ${EXPORTS.toLocaleString("en-US")} exports: **${seconds(answer.idle)}** where nothing is due, ` +
        `${seconds(answer.busy)} where an hour is due in each (${EXPORTS.toLocaleString("en-US")} jobs are enqueued), ${seconds(answer.first)} for the first ` +
        `one, which reads every ledger; the process grows by ${bytes(answer.grown)}, its heap by ${bytes(answer.heap)}`,
    );
  }
  return lines.join("\n");
}
