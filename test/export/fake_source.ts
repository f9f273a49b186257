/** What the tests of the core read from: a source that is none, and an export of files of two rows. */
import { Readable } from "node:stream";
import type { ExportDefinition } from "../../src/export/definition.ts";
import type { Source } from "../../src/export/source.ts";
import type { Model, Read } from "../../src/models/model.ts";
import { HOUR_ONE, REPLAYS } from "../support/definitions.ts";

export const DEFINITION: ExportDefinition = { ...REPLAYS, format: "jsonl", compression: "none", rowsPerFile: 2 };
export const HOUR = 3_600_000;
/** Hours after the start of HOUR_ONE. */
export const hour = (from: number, to: number) => ({
  start: new Date(HOUR_ONE.start.getTime() + from * HOUR),
  end: new Date(HOUR_ONE.start.getTime() + to * HOUR),
});

export interface FakeSource {
  readonly source: { -readonly [Member in keyof Source]: Source[Member] };
  readonly reads: Omit<Read, "part">[];
  /** Rows of each file. */
  files: number[];
  moved: number;
  /** Thrown by the nth extraction from now on. */
  failAt: Map<number, unknown>;
}

/** Answers with as many rows as it is told; proves nothing of ClickHouse. */
export function fakeSource(files: number[]): FakeSource {
  const reads: Omit<Read, "part">[] = [];
  let extracted = 0;
  const model: Model = {
    name: "fake",
    key: ["id"],
    columns: [{ name: "id", type: "int64", nullable: false, privacy: "none", description: "" }],
    rows: ({ part }) => ({ sql: "rows", parameters: { part: part.index } }),
    count: (read) => {
      reads.push(read);
      return { sql: "count", parameters: {} };
    },
    splitPoints: () => undefined,
    countPerHour: () => undefined,
    countMovedSince: () => ({ sql: "moved", parameters: {} }),
  };
  const fake: FakeSource = {
    reads,
    files,
    moved: 0,
    failAt: new Map(),
    source: {
      info: async () => ({ name: "fake", version: "1" }),
      model: async () => model,
      numbers: async ({ sql }) => [{ sessions: sql === "moved" ? fake.moved : fake.files.length * 2 }],
      texts: async () => [],
      extract: async ({ parameters }) => {
        extracted += 1;
        if (fake.failAt.has(extracted)) throw fake.failAt.get(extracted);
        const rows = fake.files[Number(parameters["part"])] ?? 0;
        return { stream: Readable.from([Buffer.from('{"id":1}\n'.repeat(rows))]), rows };
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
  };
  return fake;
}
