/** A source without ClickHouse: it answers with as many rows as the test says, and proves nothing about a real one. */
import { Readable } from "node:stream";
import type { Source } from "../../src/export/source.ts";
import type { Model, Read } from "../../src/models/model.ts";

export interface FakeSource {
  readonly source: { -readonly [Member in keyof Source]: Source[Member] };
  /** What was counted, in order. */
  readonly reads: Omit<Read, "part">[];
  /** Rows in each file of every interval. */
  files: number[];
  /** Thrown by the nth extraction from now on. */
  readonly failAt: Map<number, unknown>;
  /** Awaited before anything is counted; may reject. */
  beforeCount: (exportName: string) => Promise<void>;
}

export function fakeSource(files: number[] = []): FakeSource {
  const reads: FakeSource["reads"] = [];
  let extracted = 0;
  const model: Model = {
    name: "fake",
    key: ["id"],
    sourceColumns: ["id"],
    complete: true,
    columns: [{ name: "id", type: "int64", nullable: false, privacy: "none", description: "" }],
    rows: ({ part }) => ({ sql: "rows", parameters: { part: part.index } }),
    count: (read) => {
      reads.push(read);
      return { sql: "count", parameters: {} };
    },
    splitPoints: () => undefined,
    countPerHour: () => undefined,
    audit: undefined,
  };
  /** Enough for all files, where a file takes two rows or more; a file may have fewer rows than were counted for it. */
  const counted = (): number =>
    Math.max(
      fake.files.length * 2,
      fake.files.reduce((sum, rows) => sum + rows, 0),
    );
  const fake: FakeSource = {
    reads,
    files,
    failAt: new Map(),
    beforeCount: async () => undefined,
    source: {
      info: async () => ({ name: "fake", version: "1" }),
      model: async () => model,
      numbers: async ({ sql, parameters }, purpose) => {
        if (sql.includes(" AS counted ")) return [{ counted: fake.files[Number(parameters["part"])] ?? 0 }];
        await fake.beforeCount(purpose.export);
        return [{ sessions: counted() }];
      },
      // As overridden by the test.
      count: async (query, purpose, signal) => {
        const info = await fake.source.info(signal);
        return { info, row: (await fake.source.numbers(query, purpose, signal))[0] ?? {} };
      },
      texts: async () => [],
      extract: async ({ parameters }) => {
        extracted += 1;
        if (fake.failAt.has(extracted)) throw fake.failAt.get(extracted);
        const rows = fake.files[Number(parameters["part"])] ?? 0;
        return { stream: Readable.from([Buffer.from('{"id":1}\n'.repeat(rows))]), reported: rows };
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
  };
  return fake;
}
