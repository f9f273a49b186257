/**
 * Jobs of another config: another installation on the same Redis and prefix, or an older or newer schedules.yaml during a deploy. A
 * worker must not run them, since it would load other rows, or load them elsewhere.
 */
import { ReplayportError, retry } from "../../errors.ts";
import type { Task } from "../redis/jobs.ts";

/**
 * How long such a job stays away from workers: about a second, since the right worker may be there already. Longer if there are many
 * of them, so that leaving them costs a worker little.
 */
const LEFT_MS = 1_000;
const LEFT_EACH_MS = 20;
const LEFT_MOST_MS = 30_000;
/** Then it's dropped: what nobody has taken in this time may belong to a config that is gone. If not, its scheduler enqueues it again. */
const KEPT_MS = 15 * 60_000;

export class ForeignJobs {
  readonly #configOf: (exportName: string) => string | undefined;
  readonly #onForeign: (error: ReplayportError) => void;
  readonly #random: () => number;
  readonly #said = new Set<string>();
  /** Until when each is away. */
  readonly #left = new Map<string, number>();

  /** @param onForeign called once for each export and config */
  constructor(
    configOf: (exportName: string) => string | undefined,
    onForeign: (error: ReplayportError) => void,
    random: () => number,
  ) {
    this.#configOf = configOf;
    this.#onForeign = onForeign;
    this.#random = random;
  }

  isForeign({ export: name, config }: Task): boolean {
    return this.#configOf(name) !== config;
  }

  /** @returns for how many milliseconds to leave it; undefined: drop it */
  leave({ id, export: name, config }: Task, queuedAt: number): number | undefined {
    const key = `${name}@${config}`;
    if (!this.#said.has(key)) {
      this.#said.add(key);
      const own = this.#configOf(name) === undefined ? "has no such export" : "has another one of this name";
      const hint =
        "Give all schedulers and workers the same schedules.yaml and restart them. Another installation on this Redis needs " +
        "another redis.prefix. Batches wait for a worker with their config; none is lost.";
      const message = `left a batch of ${name} to other workers: this worker's config ${own}`;
      this.#onForeign(new ReplayportError(message, retry("fleet.config_differs", hint)));
    }
    const now = Date.now();
    this.#left.delete(`${id}@${config}`);
    if (now - queuedAt > KEPT_MS) return undefined;
    for (const [one, until] of this.#left) {
      if (until >= now) break;
      this.#left.delete(one);
    }
    const longest = Math.min(Math.max(LEFT_MS, this.#left.size * LEFT_EACH_MS), LEFT_MOST_MS);
    const delayMs = Math.round(longest * (0.5 + this.#random() / 2));
    // It may come back a little later.
    this.#left.set(`${id}@${config}`, now + 2 * delayMs);
    return delayMs;
  }
}
