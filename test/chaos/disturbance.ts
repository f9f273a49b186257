/** What happens to a worker at one of the steps of its load. */
import { crashAfter, crashBefore, type Crash, faultAt } from "../support/crash.ts";

/** It dies before or after the step; or it lives on, and only the answer was lost, or the step refused. */
export type Fate = "dies before" | "dies after" | "answer lost" | "refused";

export interface Disturbed extends Pick<Crash, "step" | "at"> {
  /** For targets that can't do but kill a worker. */
  readonly crash?: Crash;
}

const KILL = { "dies before": crashBefore, "dies after": crashAfter } as const;

/** @param writes counts only steps that change something */
export function disturbed(fate: Fate, step: number, writes: boolean): Disturbed {
  const crash = fate === "dies before" || fate === "dies after" ? KILL[fate](step) : undefined;
  const made = crash ?? faultAt(step, fate === "refused" ? "refused" : "lost");
  return {
    ...(crash ? { crash } : {}),
    step: (name, work) => (writes && made.at === undefined && isRead(name) ? work() : made.step(name, work)),
    get at() {
      return made.at;
    },
  };
}

/** Whether a load has to succeed all the same: it commits, and asks again where it can't tell. After that it only tidies up. */
export function survives(fate: Fate, step: string): boolean {
  const lives = fate === "answer lost" || fate === "refused";
  return lives && /^(?:createExclusive|publish|put|delete|discard) /.test(step) && !isOfOwner(step);
}

export interface Sleeper extends Disturbed {
  /** Settles once it sleeps. */
  readonly asleep: Promise<void>;
  readonly wake: () => void;
  /** Whether it had committed before it slept. */
  readonly committed: boolean;
}

/** A worker that sleeps before its nth step that changes something, until it's woken. */
export function sleeper(step: number): Sleeper {
  const [asleep, awake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let steps = 0;
  let at: string | undefined;
  let committed = false;
  return {
    async step(name, work) {
      if (!isRead(name)) steps += 1;
      if (at === undefined && steps === step) {
        at = name;
        asleep.resolve();
        await awake.promise;
      }
      const answer = await work();
      if (at === undefined && name.startsWith("put ")) committed = true;
      return answer;
    },
    asleep: asleep.promise,
    wake: awake.resolve,
    get at() {
      return at;
    },
    get committed() {
      return committed;
    },
  };
}

/** The record of the owner is created once, before a load knows anything of the batch. */
function isRead(step: string): boolean {
  return /^(?:list|read|readRange|unfinished) /.test(step) || isOfOwner(step);
}

function isOfOwner(step: string): boolean {
  return step.endsWith("/owner.json");
}

/**
 * Two workers, of which each waits before a step that changes something, until both wait or one has ended. Then the next of
 * `turns` says whose step is carried out.
 */
export class Interleaving {
  readonly #turns: boolean[];
  /** Of each worker, its steps that wait: a load publishes several files at once. */
  readonly #waiting = new Map<boolean, (() => void)[]>([
    [true, []],
    [false, []],
  ]);
  readonly #ended = new Set<boolean>();

  constructor(turns: readonly boolean[]) {
    this.#turns = [...turns];
  }

  worker(name: boolean): Disturbed {
    return {
      step: async (step, work) => {
        if (isRead(step)) return await work();
        const turn = Promise.withResolvers<void>();
        this.#stepsOf(name).push(turn.resolve);
        this.#next();
        await turn.promise;
        try {
          return await work();
        } finally {
          this.#next();
        }
      },
      at: undefined,
    };
  }

  end(name: boolean): void {
    this.#ended.add(name);
    this.#next();
  }

  #next(): void {
    const isReady = (name: boolean): boolean => this.#ended.has(name) || this.#stepsOf(name).length > 0;
    if (!isReady(true) || !isReady(false)) return;
    const turn = this.#turns.shift() ?? true;
    const name = this.#stepsOf(turn).length > 0 ? turn : !turn;
    this.#stepsOf(name).shift()?.();
  }

  #stepsOf(name: boolean): (() => void)[] {
    return this.#waiting.get(name) ?? [];
  }
}
