/** Runs a scheduler: a full tick each minute (node-cron), and a tick of one export whenever one of its jobs has ended. */
import { QueueEvents } from "bullmq";
import cron from "node-cron";
import { interval } from "../../intervals/interval.ts";
import type { BatchQueue } from "../redis/batch_queue.ts";
import { outcomeSchema } from "../redis/jobs.ts";
import { QUEUE } from "../redis/keys.ts";
import { type RedisClient, finishWithin } from "../redis/client.ts";
import type { Scheduler } from "./scheduler.ts";

export interface LoopDependencies {
  readonly client: RedisClient;
  readonly prefix: string;
  readonly queue: Pick<BatchQueue, "nameOf">;
  readonly scheduler: Scheduler;
  readonly now: () => Date;
  readonly onError: (error: unknown) => void;
}

const EACH_MINUTE = "* * * * *";
/** If the clock is set back, node-cron waits until it has caught up. So a monotonic clock checks that ticks happen. */
const LONGEST_MS = 90_000;
const WATCH_MS = 30_000;
/** After an event, wait for others that come with it: one tick for all of them. */
const GATHER_MS = 20;
/** How long BullMQ's read for events blocks. If Redis is down, closing it takes as long. */
const LISTEN_MS = 2_000;

/** The exports of the next tick; an empty set: none. */
type Wanted = Set<string> | "all";

/** Fields of BullMQ's events, not validated. */
interface Arrived {
  readonly jobId?: unknown;
  readonly returnvalue?: unknown;
  readonly export?: unknown;
}

/**
 * Never runs two ticks at once: what is asked for during a tick is done in one more. Ends when disposed of, or with `signal`,
 * after the tick that is running.
 */
export function keepTicking(dependencies: LoopDependencies, signal: AbortSignal): AsyncDisposable {
  const { client, prefix, queue, scheduler, now, onError } = dependencies;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  let wanted: Wanted = new Set();
  let working: Promise<void> | undefined;
  let lastTick = performance.now();

  const tickUntilDone = async (): Promise<void> => {
    while (!either.aborted && (wanted === "all" || wanted.size > 0)) {
      const names = wanted === "all" ? undefined : wanted;
      if (wanted === "all") lastTick = performance.now();
      wanted = new Set();
      try {
        await scheduler.tick(now(), either, names);
        await scheduler.tickBackfills(now(), either, names);
      } catch (error) {
        // The next minute tries again.
        if (!either.aborted) onError(error);
      }
    }
  };
  const want = (what: string | undefined): void => {
    if (what === undefined) wanted = "all";
    else if (wanted !== "all") wanted.add(what);
    working ??= new Promise<void>((resolve) => setTimeout(resolve, GATHER_MS)).then(tickUntilDone).finally(() => {
      working = undefined;
      if (!either.aborted && (wanted === "all" || wanted.size > 0)) want(wanted === "all" ? undefined : [...wanted][0]);
    });
  };

  scheduler.onLate = want;
  const events = new QueueEvents(QUEUE, { connection: client, prefix, blockingTimeout: LISTEN_MS });
  events.on("error", onError);
  // The types cover only BullMQ's own events.
  const on = (name: string, listener: (arrived: Arrived) => void): void => {
    events.on(name as "completed", listener);
  };
  // Only of our config: what another one has loaded is in another place.
  on("completed", ({ jobId, returnvalue }) => {
    const name = queue.nameOf(String(jobId));
    const outcome = outcomeSchema.safeParse(returnvalue);
    if (!name || !outcome.success) return;
    if (outcome.data.kind === "loaded") {
      const { start, end, readAt, watermark, committedAt } = outcome.data;
      scheduler.loaded(name.export, {
        interval: interval(start, end),
        readAt: new Date(readAt),
        watermark: watermark === undefined ? undefined : new Date(watermark),
        committedAt: new Date(committedAt),
      });
    }
    if (name.audit) scheduler.audited(name.export);
    want(name.export);
  });
  on("failed", ({ jobId }) => {
    const name = queue.nameOf(String(jobId));
    if (!name) return;
    if (name.audit) scheduler.audited(name.export);
    want(name.export);
  });
  on("wake", (arrived) => {
    if (typeof arrived.export !== "string") return;
    scheduler.release(arrived.export);
    want(arrived.export);
  });

  const task = cron.schedule(EACH_MINUTE, () => want(undefined), { noOverlap: true, suppressMissedWarning: true });
  const watch = setInterval(() => {
    if (performance.now() - lastTick > LONGEST_MS) want(undefined);
  }, WATCH_MS);
  // Redis may have been down, and may have lost its data.
  client.on("ready", () => {
    scheduler.release();
    want(undefined);
  });
  want(undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("the scheduler stops"));
      clearInterval(watch);
      await task.destroy();
      await finishWithin(client, Promise.all([working, events.close()]));
    },
  };
}
