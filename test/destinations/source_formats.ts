/** Sessions with everything that a format may stumble over, from ClickHouse by way of a file into a destination. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { loadBatch } from "../../src/export/load_batch.ts";
import { dependencies, FIRST_LOAD, HOUR_ONE, REPLAYS } from "../support/definitions.ts";
import { embedded } from "../support/embedded.ts";
import { openOptions, type PartialRow, replaySource } from "../support/replay_source.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { sourceRows, withoutVersion } from "../support/replay_rows.ts";

const START_MICROS = HOUR_ONE.start.getTime() * 1000;

function session(name: string, more: Partial<PartialRow> = {}): PartialRow {
  return {
    team: 1,
    session: name,
    firstMicros: START_MICROS + 123_456,
    lastMicros: START_MICROS + 60_654_321,
    ingested: Math.floor(HOUR_ONE.start.getTime() / 1000) + 90,
    ...more,
  };
}

const SESSIONS: readonly PartialRow[] = [
  session("nothing"),
  session("quotes", { url: 'https://acme.test/?q="a, b"', tags: ['with "quotes"', "with, comma", "it's"] }),
  session("lines", { url: "https://acme.test/line\nbreak\ttab", urls: ["a\nb", "c\\d", ""] }),
  session("null", { url: "\\N", tags: ["\\N", "null", "NULL"] }),
  session("unicode", { url: "https://acme.test/ü/🦊/\u2028", urls: ["ü", "🦊"] }),
  session("numbers", { clicks: 2 ** 40, messages: 3, retention: 90, score: 0.5, mobile: true }),
  // A marker alone: first and last timestamp are the deletion.
  session("deleted", { url: "https://acme.test/secret", deleted: true, lastMicros: START_MICROS + 123_456 }),
  session("long ago", { firstMicros: START_MICROS - 86_400_000_000 + 1 }),
];

export interface FormatSource extends AsyncDisposable {
  /** Loads the sessions by way of files of this shape, and compares what the target shows with the source. */
  shows(
    open: (definition: ExportDefinition) => Promise<ChaosTarget>,
    shape: Pick<ExportDefinition, "format" | "compression">,
    signal: AbortSignal,
  ): Promise<void>;
}

/** One engine with the sessions, for every format of a test file. */
export async function formatSource(): Promise<FormatSource> {
  await using stack = new AsyncDisposableStack();
  const engine = stack.use(await embedded());
  const replays = stack.use(await replaySource(engine.client, openOptions(engine.url, "posthog")));
  await replays.insert(SESSIONS);
  const expected = await sourceRows(engine.client, replays.database);
  assert.equal(expected.length, SESSIONS.length);
  const open = stack.move();
  return {
    async shows(openTarget, shape, signal) {
      // With the columns that have to be asked for, and in several files.
      const rules = {
        ...REPLAYS.selection.rules,
        include: ["block_first_timestamps", "block_last_timestamps", "block_urls", "blocks_aligned"],
      };
      const definition = { ...REPLAYS, ...shape, selection: { ...REPLAYS.selection, rules }, rowsPerFile: 4 };
      const stage = await mkdtemp(join(tmpdir(), "replayport-test-stage-"));
      try {
        await using target = await openTarget(definition);
        await using destination = target.open(() => new Date("2026-10-01T02:00:00Z"), { path: definition.path });
        await loadBatch(definition, HOUR_ONE, FIRST_LOAD, dependencies(replays.source, destination, stage), signal);
        assert.deepEqual(
          (await target.rows()).map(withoutVersion),
          expected.map((row) => target.shown(row)),
        );
      } finally {
        await rm(stage, { recursive: true, force: true });
      }
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
