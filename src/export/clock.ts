/** Compares this machine's clock with the source's. Whichever is behind decides what is over. */
import { ReplayportError, retry } from "../errors.ts";
import type { Source, SourceInfo } from "./source.ts";

/** The source's clock as it was when it was asked. */
export interface SourceClock extends SourceInfo {
  /** Milliseconds by which the source's clock is ahead of this machine's; negative if it is behind. */
  readonly aheadMs: number;
}

/** `_timestamp` has whole seconds, so clocks that differ by less can't be told apart. */
const LEAST_TOLERANCE_MS = 1_000;

/** The same source, which no longer says what time it is: its clock is this machine's, or time is simulated. */
export function withoutClock(source: Source): Source {
  const [info, count] = [source.info.bind(source), source.count.bind(source)];
  const timeless = ({ name, version }: SourceInfo): SourceInfo => ({ name, version });
  source.info = async (signal) => timeless(await info(signal));
  source.count = async (query, purpose, signal) => {
    const counted = await count(query, purpose, signal);
    return { ...counted, info: timeless(counted.info) };
  };
  return source;
}

/** Asks the source what time it is, and compares the answer with the middle of the round trip. */
export async function askClock(
  source: Pick<Source, "info">,
  now: () => Date,
  signal: AbortSignal,
): Promise<SourceClock> {
  const before = now().getTime();
  const info = await source.info(signal);
  if (info.now === undefined) return { ...info, aheadMs: 0 };
  const after = now().getTime();
  const aheadMs = info.now.getTime() - (before + after) / 2;
  // A slow answer says less: the source may have read its clock at any time between question and answer.
  const uncertainMs = Math.abs(after - before) / 2;
  return { ...info, aheadMs: Math.abs(aheadMs) <= uncertainMs ? 0 : aheadMs };
}

/**
 * By how much the source's clock is ahead at least, if it was read at some time between `asked` and `answered`. For a query that
 * may take long, where the middle would be far from the time of the read.
 */
export function clockBetween(info: SourceInfo, asked: Date, answered: Date): SourceClock {
  const source = info.now?.getTime() ?? asked.getTime();
  const aheadMs = Math.min(0, source - asked.getTime()) + Math.max(0, source - answered.getTime());
  return { ...info, aheadMs };
}

/**
 * The earlier of the worker's clock and the source's: no interval that has not ended by both may be read.
 * @param now by the worker's clock
 * @throws ReplayportError `source.clock` if they differ by more than half of `settle`
 */
export function agreedNow({ aheadMs, name }: SourceClock, settleMs: number, now: Date): Date {
  if (Math.abs(aheadMs) > Math.max(settleMs / 2, LEAST_TOLERANCE_MS)) {
    const source = new Date(now.getTime() + aheadMs);
    const seconds = Math.round(Math.abs(aheadMs) / 1000);
    throw new ReplayportError(
      `this machine's clock is ${seconds} s ${aheadMs < 0 ? "ahead of" : "behind"} the clock of ${name}: ` +
        `${now.toISOString()} here, ${source.toISOString()} there`,
      retry(
        "source.clock",
        "Nothing is loaded until they agree to within half of the export's settle. Set both clocks with NTP.",
      ),
    );
  }
  return new Date(now.getTime() + Math.min(0, Math.floor(aheadMs)));
}
