/** Texts that an export keeps beside its receipts. */
import assert from "node:assert/strict";
import { RECORD_KINDS } from "../../../destinations/destination.ts";
import { inContext } from "../context.ts";
import type { Case } from "../harness.ts";

const at = (second: number): Date => new Date(Date.UTC(2026, 9, 1, 0, 0, second));
const text = (name: string): string => JSON.stringify({ name, text: `it's "${name}" \\ äöü 🎥\n\t$1 %` });

export const RECORD_CASES: readonly Case[] = [
  inContext({
    name: "an empty place has no records",
    async run({ destination: { records }, signal }) {
      for (const kind of RECORD_KINDS) {
        assert.equal(await records.last(kind, signal), undefined);
        assert.deepEqual(await records.all(kind, signal), []);
      }
    },
  }),
  inContext({
    name: "records are kept by kind and by time, whichever was added last",
    async run({ destination: { records }, target, signal }) {
      await records.add("audits", text("first"), at(0), signal);
      await records.add("audits", text("latest"), at(2), signal);
      await records.add("audits", text("late"), at(1), signal);
      await records.add("corrections", text("b"), at(4), signal);
      await records.add("corrections", text("a"), at(3), signal);
      await using other = await target.open();
      assert.equal(await other.records.last("audits", signal), text("latest"));
      assert.equal(await other.records.last("corrections", signal), text("b"));
      assert.deepEqual(await other.records.all("corrections", signal), [text("a"), text("b")]);
    },
  }),
  inContext({
    name: "of two records of one moment both are kept",
    async run({ destination: { records }, signal }) {
      await records.add("corrections", text("a"), at(0), signal);
      await records.add("corrections", text("b"), at(0), signal);
      assert.deepEqual((await records.all("corrections", signal)).toSorted(), [text("a"), text("b")]);
    },
  }),
];
