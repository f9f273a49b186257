/** Our Avro against itself; test/destinations/table_format holds it against other people's files and readers. */
import assert from "node:assert/strict";
import { deflateRawSync, inflateRawSync, zstdCompressSync } from "node:zlib";
import { suite, test } from "node:test";
import fc from "fast-check";
import { type AvroValue, readAvro } from "../../../destinations/avro/read.ts";
import type { AvroRecord } from "../../../destinations/avro/schema.ts";
import { writeAvro } from "../../../destinations/avro/write.ts";

const SCHEMA: AvroRecord = {
  type: "record",
  name: "row",
  fields: [
    { name: "id", type: "long", "field-id": 1 },
    { name: "name", type: ["null", "string"], default: null, "field-id": 2 },
    { name: "flag", type: "boolean" },
    { name: "raw", type: ["null", "bytes"], default: null },
    { name: "list", type: { type: "array", items: "int", "element-id": 3 } },
    { name: "empty", type: { type: "record", name: "r102", fields: [] } },
    {
      name: "pairs",
      type: {
        type: "array",
        logicalType: "map",
        items: {
          type: "record",
          name: "k1_v2",
          fields: [
            { name: "key", type: "int" },
            { name: "value", type: "long" },
          ],
        },
      },
    },
  ],
};

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const row = fc.record({
  id: long,
  name: fc.option(fc.string({ unit: "binary" })),
  flag: fc.boolean(),
  raw: fc.option(fc.uint8Array()),
  list: fc.array(int),
  empty: fc.constant({}),
  pairs: fc.array(fc.record({ key: int, value: long })),
});

/** Longs that are exact as numbers come back as such. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

suite("Avro", () => {
  test("what is written is read: any long, text, bytes, NULL and empty list", () => {
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const file = readAvro(writeAvro({ schema: SCHEMA, metadata: { more: "ä" }, records: rows }));
        assert.deepEqual(plain(file.records), plain(rows));
        assert.equal(Buffer.from(file.metadata.get("more") ?? []).toString(), "ä");
      }),
    );
  });

  const records = [{ id: 5, name: "x", flag: true, raw: null, list: [1, -1], empty: {}, pairs: [] }];

  test("a file that is cut anywhere is refused", () => {
    const bytes = writeAvro({ schema: SCHEMA, records });
    for (let end = 0; end < bytes.length; end += 1) {
      // After the header there may be no block at all.
      const whole = bytes.subarray(0, end);
      try {
        assert.deepEqual(readAvro(whole).records, []);
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
    assert.deepEqual(readAvro(bytes).records.length, 1);
  });

  for (const [codec, compress] of [
    ["null", (block: Uint8Array) => block],
    ["deflate", (block: Uint8Array) => deflateRawSync(block)],
    ["zstandard", (block: Uint8Array) => zstdCompressSync(block)],
  ] as const) {
    test(`blocks compressed by ${codec} are read, several of them`, () => {
      assert.deepEqual(readAvro(recompressed(codec, compress)).records, [...records, ...records]);
    });
  }

  test("an unknown compression is named", () => {
    assert.throws(() => readAvro(recompressed("bzip2", (block) => block)), /bzip2/);
  });

  /** The same block twice, behind a header that names the codec. */
  function recompressed(codec: string, compress: (block: Uint8Array) => Uint8Array): Uint8Array {
    const bytes = Buffer.from(writeAvro({ schema: SCHEMA, records }));
    const sync = bytes.subarray(-16);
    const header = bytes.subarray(0, bytes.indexOf(sync) + 16);
    const block = compress(inflateRawSync(bytes.subarray(header.length + 2, -16)));
    const named = Buffer.from(
      header.toString("latin1").replace("\x0edeflate", `${String.fromCharCode(codec.length * 2)}${codec}`),
      "latin1",
    );
    const one = Buffer.concat([Uint8Array.of(2, block.length * 2), block, sync]);
    assert.ok(block.length < 64);
    return Buffer.concat([named, one, one]);
  }

  test("a record that breaks its schema isn't written", () => {
    for (const wrong of [{ id: 1.5 }, { id: null }, { flag: 1 }, { list: ["x"] }, { name: 7 }]) {
      assert.throws(() => writeAvro({ schema: SCHEMA, records: [{ ...records[0], ...wrong }] as AvroValue[] }));
    }
  });

  test("negative counts of a block, which are followed by its size, are read", () => {
    // By hand: one record of one array of ints, in a block of -2 items that are 2 bytes long.
    const schema: AvroRecord = {
      type: "record",
      name: "r",
      fields: [{ name: "a", type: { type: "array", items: "int" } }],
    };
    const bytes = Buffer.from(writeAvro({ schema, records: [{ a: [7, 8] }] }));
    const sync = bytes.subarray(-16);
    const header = bytes.subarray(0, bytes.indexOf(sync) + 16);
    const block = deflateRawSync(Uint8Array.of(3, 4, 14, 16, 0));
    const file = Buffer.concat([header, Uint8Array.of(2, block.length * 2), block, sync]);
    assert.deepEqual(readAvro(file).records, [{ a: [7, 8] }]);
  });
});
