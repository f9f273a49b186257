/** Ctrl-C: the first asks for a clean stop, the second ends the process at once. */
import { EXIT } from "./exit_codes.ts";

export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.exitCode = signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
  }
}

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/** @param leave called with an exit code on the second signal */
export function listenForInterrupt(leave: (code: number) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    const reason = new Interrupted(name);
    if (controller.signal.aborted) leave(reason.exitCode);
    controller.abort(reason);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
