/* One job in a process of its own; started by run.ts, told what to do by its argument, answers with one message. */
import { backfillYear } from "./jobs/backfill.ts";
import { engineAlone, plainRequest } from "./jobs/engine.ts";
import { icebergLoads } from "./jobs/iceberg.ts";
import type { Answer, Job, Outcome } from "./jobs/job.ts";
import { loadHours, loadOnce } from "./jobs/load.ts";
import { parquetJs } from "./jobs/parquetjs.ts";
import { sweepDay } from "./jobs/sweep.ts";

async function run(job: Job): Promise<Outcome> {
  switch (job.kind) {
    case "engine":
      return await engineAlone(job);
    case "plain":
      return await plainRequest(job);
    case "load":
      return await loadOnce(job);
    case "parquetjs":
      return await parquetJs(job);
    case "hours":
      return await loadHours(job);
    case "sweep":
      return await sweepDay(job);
    case "iceberg":
      return await icebergLoads(job);
    case "backfill":
      return await backfillYear(job);
    default:
      return job satisfies never;
  }
}

const outcome = await run(JSON.parse(process.argv[2] ?? "") as Job);
// maxRSS is in kilobytes on every platform that Node.js runs on.
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
const answer: Answer = { cores: (userCPUTime + systemCPUTime) / 1e6, ...outcome, peakBytes: maxRSS * 1024 };
process.send?.(answer);
process.disconnect?.();
