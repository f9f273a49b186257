/** A reporter of node:test that says at the end what was skipped and why, and how many tests passed and failed. */
import type { TestEvent } from "node:test/reporters";

interface Result {
  readonly name: string;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string };
}

export default async function* skipsAndCounts(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  const skips = new Map<string, number>();
  for await (const event of events) {
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
  const skipped = [...skips.values()].reduce((sum, count) => sum + count, 0);
  if (skipped > 0) yield "\nskipped:\n";
  for (const [reason, count] of skips) yield `  ${count} × ${reason}\n`;
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
