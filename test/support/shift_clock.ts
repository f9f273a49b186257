/**
 * Shifts the clock of a child process: `node --import shift_clock.ts …` with CLOCK_SHIFT_FILE, a file that holds
 * the milliseconds to add to the machine's clock. It is read each time, so a test can move the clock of a running process.
 */
import { readFileSync } from "node:fs";

const file = process.env["CLOCK_SHIFT_FILE"];
if (file !== undefined) {
  const shift = (): number => Number(readFileSync(file, "utf8"));
  const { timeOrigin } = performance;
  const now = Date.now.bind(Date);
  // A proxy, not a subclass: dates that Node makes, such as a file's mtime, have to stay instances of Date.
  globalThis.Date = new Proxy(Date, {
    construct: (real, given: unknown[], target) =>
      Reflect.construct(real, given.length === 0 ? [now() + shift()] : given, target) as Date,
    get: (real, name, receiver) =>
      name === "now" ? (): number => now() + shift() : (Reflect.get(real, name, receiver) as unknown),
  });
  Object.defineProperty(performance, "timeOrigin", { get: () => timeOrigin + shift() });
}
