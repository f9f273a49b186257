/** A reporter for node:test that ends a run with its slowest files, the reasons for skips, and the counts. */
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";

interface Result {
  readonly name: string;
  readonly skip?: string | boolean;
  readonly details: { readonly type?: string };
}

interface FileSummary {
  readonly file?: string;
  readonly duration_ms: number;
}

const SHOWN_FILES = 10;
/** Below this a file isn't worth naming. */
const SLOW_MS = 5000;

export default async function* summary(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  const skips = new Map<string, number>();
  const durations = new Map<string, number>();
  for await (const event of events) {
    if (event.type === "test:summary") {
      const { file, duration_ms: ms } = event.data as FileSummary;
      if (file !== undefined) durations.set(relative(process.cwd(), file), ms);
    }
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const result = event.data as Result;
    const skipped = result.skip !== undefined && result.skip !== false;
    if (skipped) {
      const reason =
        typeof result.skip === "string" && result.skip !== "" ? result.skip : `no reason given: ${result.name}`;
      skips.set(reason, (skips.get(reason) ?? 0) + 1);
    } else if (result.details.type !== "suite") {
      if (event.type === "test:pass") passed += 1;
      else failed += 1;
    }
  }
  const slowest = [...durations].filter(([, ms]) => ms >= SLOW_MS).sort(([, one], [, other]) => other - one);
  if (slowest.length > 0) yield "\nslowest files:\n";
  for (const [file, ms] of slowest.slice(0, SHOWN_FILES)) yield `  ${(ms / 1000).toFixed(0).padStart(4)} s ${file}\n`;
  const skipped = [...skips.values()].reduce((sum, count) => sum + count, 0);
  if (skipped > 0) yield "\nskipped:\n";
  for (const [reason, count] of skips) yield `  ${count} × ${reason}\n`;
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
