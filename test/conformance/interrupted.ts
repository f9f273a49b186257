/** Ways in which the files of a batch do not arrive. */
import type { StagedFile } from "../../destinations/destination.ts";

/** Gives so many files, then rejects: the source has failed. */
export function failsAfter(count: number, error: Error) {
  return async function* failing(files: AsyncIterable<StagedFile>): AsyncIterable<StagedFile> {
    let given = 0;
    for await (const file of files) {
      if (given === count) throw error;
      given += 1;
      yield file;
    }
    throw error;
  };
}

export interface Gate {
  /** Resolves when the files before the gate were taken and the next one was asked for. */
  readonly reached: Promise<void>;
  /** Lets the rest through. */
  readonly open: () => void;
  readonly through: (files: AsyncIterable<StagedFile>) => AsyncIterable<StagedFile>;
}

/** Gives so many files, then waits: an attempt that sleeps, or one that has died and does not know it. */
export function gateAfter(count: number): Gate {
  let reach = (): void => undefined;
  let open = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    reached,
    open: () => open(),
    async *through(files) {
      let given = 0;
      for await (const file of files) {
        if (given === count) {
          reach();
          await opened;
        }
        given += 1;
        yield file;
      }
      if (given <= count) {
        reach();
        await opened;
      }
    },
  };
}
