/** The queue of batches, over BullMQ. */
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Job, Queue, QueueEventsProducer } from "bullmq";
import type { QueueDepth } from "../fleet.ts";
import { type JobName, type JobRequest, jobOf, parseJobId } from "./jobs.ts";
import { QUEUE } from "./keys.ts";
import type { RedisClient } from "./client.ts";

/** About how many events BullMQ's stream keeps. The scheduler reads them as they arrive. */
const EVENTS_KEPT = 1_000;
const QUEUED = ["wait", "prioritized", "delayed"] as const;
/** States of jobs that are neither queued nor running. Ours are removed when they end. */
const ORPHANED: ReadonlySet<string> = new Set(["unknown", "failed", "completed"]);
const CHUNK = 500;

export type JobPlace = "queued" | "running";

export class BatchQueue implements AsyncDisposable {
  readonly #client: RedisClient;
  readonly #queue: Queue;
  /** `ExportIdentity.config` of an export in our config. */
  readonly #configOf: (exportName: string) => string | undefined;
  readonly #producer: QueueEventsProducer;
  readonly #gathered: JobRequest[] = [];
  #adding: Promise<void> | undefined;

  constructor(
    client: RedisClient,
    prefix: string,
    configOf: (exportName: string) => string | undefined,
    onError: (error: Error) => void,
  ) {
    this.#client = client;
    this.#configOf = configOf;
    this.#queue = new Queue(QUEUE, { connection: client, prefix, streams: { events: { maxLen: EVENTS_KEPT } } });
    this.#producer = new QueueEventsProducer(QUEUE, { connection: client, prefix });
    this.#queue.on("error", onError);
    this.#producer.on("error", onError);
  }

  /** Leaves a job that is already in the queue as it is. Calls made at the same time share a round trip. */
  async add(requests: readonly JobRequest[]): Promise<void> {
    if (requests.length === 0) return;
    this.#gathered.push(...requests);
    this.#adding ??= this.#addGathered();
    await this.#adding;
  }

  async #addGathered(): Promise<void> {
    await nextTurn();
    const all = this.#gathered.splice(0);
    this.#adding = undefined;
    const jobs = all.map((request) => jobOf(request, this.#configOf(request.export) ?? ""));
    for (let at = 0; at < jobs.length; at += CHUNK) {
      const chunk = jobs.slice(at, at + CHUNK);
      await this.#removeOrphans(chunk.map(({ opts }) => opts.jobId));
      await this.#queue.addBulk(chunk);
    }
  }

  /**
   * A job that is in no list any more, because Redis has evicted the list, or that has failed, because Redis has evicted its data: no
   * worker would ever take it, and BullMQ adds no second one of its id.
   */
  async #removeOrphans(ids: readonly string[]): Promise<void> {
    // Not a pipeline, here and where else a tick asks little: ioredis would copy all of BullMQ's scripts into each.
    const known = await Promise.all(ids.map((id) => this.#client.exists(this.#queue.toKey(id))));
    for (const id of ids.filter((_, index) => known[index] === 1)) {
      if (ORPHANED.has(await this.#queue.getJobState(id))) await this.#queue.remove(id);
    }
  }

  /** Names of all jobs of our config, or of these exports' jobs, in one round trip. */
  async names(exports?: ReadonlySet<string>): Promise<{ readonly name: JobName; readonly place: JobPlace }[]> {
    const [queued, running] = await Promise.all([
      this.#queue.getRanges([...QUEUED], 0, -1),
      this.#queue.getRanges(["active"], 0, -1),
    ]);
    const named = (ids: readonly string[], place: JobPlace) =>
      ids.flatMap((id) => {
        if (exports && !exports.has(id.slice(0, id.indexOf("@")))) return [];
        const name = this.nameOf(id);
        return name ? [{ name, place }] : [];
      });
    return [...named(running, "running"), ...named(queued, "queued")];
  }

  /** Undefined for another program's job, and for one of another config. */
  nameOf(job: string): JobName | undefined {
    const name = parseJobId(job);
    return name && name.config === this.#configOf(name.export) ? name : undefined;
  }

  /** Whole jobs, up to `limit` of each kind. Waiting ones are in the order in which workers take them. */
  async jobs(
    limit: number,
    wanted: (name: JobName) => boolean = () => true,
  ): Promise<{ readonly active: Job[]; readonly delayed: Job[]; readonly waiting: Job[] }> {
    const of = async (places: readonly ("active" | "delayed" | "wait" | "prioritized")[]): Promise<Job[]> => {
      const ids = await this.#queue.getRanges([...places], 0, -1, true);
      const names = ids.flatMap((id) => this.nameOf(id) ?? []).filter(wanted);
      const jobs = await Promise.all(names.slice(0, limit).map(({ job }) => this.#queue.getJob(job)));
      // A job may have ended since it was listed.
      return jobs.filter((job) => job !== undefined);
    };
    const places = [of(["active"]), of(["delayed"]), of(["wait", "prioritized"])] as const;
    const [active, delayed, waiting] = await Promise.all(places);
    return { active, delayed, waiting };
  }

  /** Removes jobs that no worker has taken; leaves the others. */
  async remove(names: readonly JobName[]): Promise<void> {
    for (const { job } of names) await this.#queue.remove(job);
  }

  /** Makes an export's delayed jobs available to workers now. @returns how many there were */
  async promote(exportName: string): Promise<number> {
    const all = await this.#queue.getJobs(["delayed"], 0, -1);
    const delayed = all.filter((job) => this.nameOf(job?.id ?? "")?.export === exportName);
    const promoted = await Promise.allSettled(delayed.map((job) => job.promote()));
    return promoted.filter(({ status }) => status === "fulfilled").length;
  }

  async depth(): Promise<QueueDepth> {
    const counts = await this.#queue.getJobCounts(...QUEUED, "active");
    const of = (state: string): number => counts[state] ?? 0;
    return { waiting: of("wait"), backfill: of("prioritized"), delayed: of("delayed"), active: of("active") };
  }

  /** Asks schedulers to look at an export now. */
  async wake(exportName: string): Promise<void> {
    await this.#producer.publishEvent({ eventName: "wake", export: exportName, by: randomUUID() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.close();
    await this.#queue.close();
  }
}
