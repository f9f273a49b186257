/** Some rounds of `npm run fuzz`, the same each time: it fails for a change, and not by chance. */
import { after, suite, test } from "node:test";
import fc from "fast-check";
import { judge } from "./judge.ts";
import { openTargets } from "./targets.ts";

const targets = await openTargets();

suite("half-right input", () => {
  after(async () => {
    for (const target of targets) await target[Symbol.asyncDispose]();
  });
  for (const { name, property } of targets) {
    test(`${name}: a right answer, or an error that says what to do`, async () => {
      await fc.assert(property(judge), { seed: 20261127, numRuns: 150 });
    });
  }
});
