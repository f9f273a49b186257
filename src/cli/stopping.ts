import type { CliEnvironment } from "./environment.ts";

/** Says at the first Ctrl-C that the command is about to stop, since a request that runs may take a while to end. */
export function sayStopping({ signal, stderr }: CliEnvironment): Disposable {
  const say = (): void => {
    // After the progress bar has put the cursor back, which it does at the same signal.
    setImmediate(() => stderr.write("stopping; press Ctrl-C again to end at once\n"));
  };
  signal.addEventListener("abort", say, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", say) };
}
