import { ReplayportError, retry } from "../../src/errors.ts";

/**
 * Kills a worker at one step of its work. From then on nothing that it does comes through: no retry, no clean-up. What a
 * step is depends on the destination, whose adapter sends each call of a store, each statement or each request through here.
 */
export interface Crash {
  /**
   * Called at the start of each step.
   * @returns `done`: carry it out; `lost`: carry it out, but drop the answer; `refused`: the worker is dead
   */
  readonly arrive: (step: string) => "done" | "lost" | "refused";
  /** Carries out a step, for adapters that wrap calls. */
  readonly step: <Answer>(name: string, work: () => Promise<Answer>) => Promise<Answer>;
  /** The step at which the worker died; undefined while it lives. */
  readonly at: string | undefined;
  /** Aborted when the worker dies, for what would wait in its place: a dead worker doesn't. */
  readonly signal: AbortSignal;
}

/** The nth step, from 1, is carried out, and the worker dies before it gets the answer. */
export function crashAfter(step: number): Crash {
  return crashAt(step, "lost");
}

/** The worker dies before its nth step. */
export function crashBefore(step: number): Crash {
  return crashAt(step, "refused");
}

function crashAt(step: number, fate: "lost" | "refused"): Crash {
  const abort = new AbortController();
  let steps = 0;
  let at: string | undefined;
  const killed = (): Error => new Error(`the worker was killed at ${at}`);
  const crash: Crash = {
    arrive(name) {
      if (at !== undefined) return "refused";
      steps += 1;
      if (steps !== step) return "done";
      at = name;
      // Not within the step: a killed process doesn't notice.
      setImmediate(() => abort.abort(killed()));
      return fate;
    },
    async step(name, work) {
      if (crash.arrive(name) === "refused") throw killed();
      const answer = await work().catch((error: unknown) => {
        throw at === undefined ? error : killed();
      });
      if (at !== undefined) throw killed();
      return answer;
    },
    get at() {
      return at;
    },
    signal: abort.signal,
  };
  return crash;
}

/**
 * One step goes wrong, and the worker lives on.
 * @param fate `lost`: it's carried out, but its answer is lost; `refused`: it isn't carried out
 */
export function faultAt(step: number, fate: "lost" | "refused"): Pick<Crash, "step" | "at"> {
  let steps = 0;
  let at: string | undefined;
  return {
    async step(name, work) {
      steps += 1;
      if (steps !== step) return await work();
      at = name;
      if (fate === "lost") await work();
      throw new ReplayportError(`no answer to ${name}`, retry("store.unreachable", "Ask again."));
    },
    get at() {
      return at;
    },
  };
}
