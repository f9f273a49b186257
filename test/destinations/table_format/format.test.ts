/** Iceberg's files: what is written is read, other people's files are read, and bounds never promise too much. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  type BoundValue,
  compareBounds,
  cutLower,
  cutUpper,
  encodeBound,
  mayContain,
} from "../../../destinations/table_format/bounds.ts";
import { parseJson, printJson } from "../../../destinations/table_format/json.ts";
import {
  type DataFile,
  type NewEntry,
  readManifest,
  writeManifest,
} from "../../../destinations/table_format/manifest.ts";
import { readManifestList } from "../../../destinations/table_format/manifest_list.ts";
import {
  ancestors,
  currentSchema,
  currentSnapshot,
  readTableMetadata,
} from "../../../destinations/table_format/metadata.ts";
import {
  deletedFrom,
  readPositionDeletes,
  writePositionDeletes,
} from "../../../destinations/table_format/position_deletes.ts";
import {
  compareSchema,
  fieldIds,
  grownSchema,
  type IcebergSchema,
  nameMapping,
  newSchema,
  schemaJson,
} from "../../../destinations/table_format/schema.ts";
import type { Column, ColumnType } from "../../../src/models/column.ts";

const column = (name: string, type: ColumnType, nullable = false): Column => ({
  name,
  type,
  nullable,
  privacy: "none",
  description: `The ${name}.`,
});
const COLUMNS = [
  column("team_id", "int64"),
  column("tags", "string[]"),
  column("start_time", "timestamp"),
  column("url", "string", true),
];
const SCHEMA = newSchema(COLUMNS, { key: ["team_id"], required: ["start_time"] });

suite("JSON with large integers", () => {
  test("any integer survives, wherever it is", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }), (id) => {
        const { a } = parseJson(printJson({ a: [{ id }] })) as { a: [{ id: number | bigint }] };
        assert.equal(BigInt(a[0].id), id);
        assert.equal(printJson(id), String(id));
      }),
    );
  });

  test("numbers with a fraction and large exponents stay numbers", () => {
    assert.deepEqual(parseJson('{"a": 1.5, "b": 1e300, "c": "9007199254740993"}'), {
      a: 1.5,
      b: 1e300,
      c: "9007199254740993",
    });
  });
});

suite("Iceberg's schemas", () => {
  test("ids begin at 1 with the columns, and elements of lists come after them", () => {
    assert.deepEqual(
      [...fieldIds(SCHEMA)],
      [
        ["team_id", 1],
        ["tags", 2],
        ["tags.list.element", 5],
        ["start_time", 3],
        ["url", 4],
      ],
    );
    assert.deepEqual(SCHEMA.identifierFieldIds, [1]);
    assert.deepEqual(
      SCHEMA.fields.filter((field) => field.required).map((field) => field.name),
      ["team_id", "start_time"],
    );
  });

  test("a schema is what readers of its JSON get, and the name mapping has its ids", () => {
    const metadata = readTableMetadata({
      "format-version": 2,
      "table-uuid": "u",
      location: "s3://lake/t",
      "last-updated-ms": 1,
      "last-column-id": 5,
      schemas: [parseJson(printJson(schemaJson(SCHEMA)))],
    });
    assert.deepEqual(currentSchema(metadata), SCHEMA);
    assert.deepEqual(JSON.parse(nameMapping(SCHEMA)), [
      { "field-id": 1, names: ["team_id"] },
      { "field-id": 2, names: ["tags"], fields: [{ "field-id": 5, names: ["element"] }] },
      { "field-id": 3, names: ["start_time"] },
      { "field-id": 4, names: ["url"] },
    ]);
  });

  test("a new column is optional and gets ids that were never used", () => {
    const { schema, lastColumnId } = grownSchema(SCHEMA, [column("more", "timestamp[]"), column("last", "bool")], 17);
    assert.equal(lastColumnId, 20);
    assert.deepEqual(schema.fields.slice(4), [
      {
        id: 18,
        name: "more",
        required: false,
        type: { type: "list", "element-id": 20, element: "timestamptz", "element-required": false },
        doc: "The more.",
      },
      { id: 19, name: "last", required: false, type: "boolean", doc: "The last." },
    ]);
    assert.deepEqual(schema.fields.slice(0, 4), SCHEMA.fields);
  });

  test("what a table lacks, and each kind of clash with both types", () => {
    const table: IcebergSchema = {
      id: 0,
      identifierFieldIds: [],
      fields: [
        { id: 1, name: "team_id", required: true, type: "int" },
        {
          id: 2,
          name: "Tags",
          required: false,
          type: { type: "list", "element-id": 9, element: "string", "element-required": true },
        },
        { id: 4, name: "url", required: true, type: "string" },
        { id: 5, name: "theirs", required: true, type: "date" },
        { id: 6, name: "optional", required: false, type: "uuid" },
      ],
    };
    const { missing, clashes } = compareSchema(table, COLUMNS);
    assert.deepEqual(
      missing.map((one) => one.name),
      ["start_time"],
    );
    assert.deepEqual(clashes, [
      { column: "team_id", ours: "long", theirs: "team_id int" },
      { column: "tags", ours: "list<string>", theirs: "Tags list<string>" },
      { column: "url", ours: "string optional", theirs: "string required" },
      { column: "theirs", ours: "no such column", theirs: "date required" },
    ]);
    assert.deepEqual(compareSchema(SCHEMA, COLUMNS), { missing: [], clashes: [] });
  });
});

suite("bounds of columns", () => {
  const values: readonly (readonly [type: string, arbitrary: fc.Arbitrary<BoundValue>])[] = [
    ["long", fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    ["timestamptz", fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })],
    ["double", fc.double({ noNaN: true })],
    ["boolean", fc.boolean()],
    ["string", fc.string({ unit: "grapheme" })],
  ];
  for (const [type, arbitrary] of values) {
    test(`the bytes of ${type} compare as its values do`, () => {
      const rank = (value: BoundValue): Buffer | BoundValue => (typeof value === "string" ? Buffer.from(value) : value);
      fc.assert(
        fc.property(arbitrary, arbitrary, (a, b) => {
          const found = compareBounds(type, encodeBound(type, a) ?? Buffer.of(), encodeBound(type, b) ?? Buffer.of());
          const [x, y] = [rank(a), rank(b)];
          const wanted = x instanceof Buffer ? Buffer.compare(x, y as Buffer) : x < y ? -1 : Number(x > y);
          assert.equal(found, wanted);
        }),
      );
    });
  }

  test("a cut text is still a bound of what it was cut from, and UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), fc.integer({ min: 1, max: 12 }), (text, longest) => {
        const bytes = Buffer.from(text);
        const lower = cutLower(bytes, longest);
        assert.ok(Buffer.compare(lower, bytes) <= 0);
        assert.deepEqual(Buffer.from(Buffer.from(lower).toString()), Buffer.from(lower));
        const upper = cutUpper(bytes, longest);
        // Only text that can't be raised has no bound.
        if (!upper) assert.match(Buffer.from(lower).toString(), /^\u{10ffff}*$/u);
        else assert.ok(Buffer.compare(upper, bytes) >= 0);
        assert.ok(mayContain("string", { lower, upper }, bytes));
      }),
    );
  });

  test("the upper bound of a cut text is never below one that begins like it", () => {
    assert.deepEqual(cutUpper(Buffer.from("aaaa"), 2), Buffer.from("ab"));
    assert.deepEqual(cutUpper(Buffer.from("a\u{10ffff}\u{10ffff}x"), 9), Buffer.from("b"));
    assert.deepEqual(cutUpper(Buffer.from("\ud7ffxx"), 4), Buffer.from("\ud7ffy"));
    assert.deepEqual(cutUpper(Buffer.from("\ud7ffxx"), 3), Buffer.from("\ue000"));
    assert.equal(cutUpper(Buffer.from("\u{10ffff}x"), 4), undefined);
    assert.deepEqual(cutLower(Buffer.from("aäx"), 2), Buffer.from("a"));
  });

  test("a value outside is ruled out, and nothing is where a bound is missing or of an unknown type", () => {
    const of = (value: bigint): Uint8Array => encodeBound("long", value) ?? Buffer.of();
    assert.ok(!mayContain("long", { lower: of(5n), upper: of(7n) }, of(4n)));
    assert.ok(!mayContain("long", { lower: of(5n), upper: of(7n) }, of(8n)));
    assert.ok(mayContain("long", { lower: of(5n), upper: of(7n) }, of(5n)));
    assert.ok(mayContain("long", { lower: undefined, upper: of(7n) }, of(-9n)));
    assert.ok(mayContain("decimal(9, 2)", { lower: of(5n), upper: of(7n) }, of(9n)));
    // An int, from before the column was widened.
    assert.ok(!mayContain("long", { lower: Buffer.of(5, 0, 0, 0), upper: undefined }, of(4n)));
  });
});

suite("manifests", () => {
  const file = (path: string): DataFile => ({
    content: "data",
    path,
    format: "PARQUET",
    rows: 5,
    bytes: 100,
    columnSizes: new Map([[1, 10]]),
    valueCounts: new Map([[1, 5]]),
    nullCounts: new Map([[1, 0]]),
    nanCounts: undefined,
    lowerBounds: new Map([[1, Buffer.from([1])]]),
    upperBounds: new Map([[1, Buffer.from([2])]]),
    keyMetadata: undefined,
    splitOffsets: [4],
    equalityIds: undefined,
    sortOrderId: 0,
    referencedDataFile: undefined,
    contentOffset: undefined,
  });

  test("added files get the commit's numbers, those that were there before keep theirs", () => {
    const [mine, others] = [2n ** 51n + 1n, 2n ** 62n + 1n];
    const entries: NewEntry[] = [
      { status: "added", file: file("a") },
      { status: "existing", file: file("b"), snapshotId: others, sequenceNumber: 3, fileSequenceNumber: 2 },
      { status: "deleted", file: file("c"), snapshotId: others, sequenceNumber: 1, fileSequenceNumber: 1 },
    ];
    const { bytes, describe } = writeManifest({
      content: "data",
      schema: SCHEMA,
      specId: 0,
      snapshotId: mine,
      entries,
    });
    const listed = describe("s3://m", 9);
    assert.deepEqual(readManifest(bytes, listed), [
      { status: "added", snapshotId: mine, sequenceNumber: 9, fileSequenceNumber: 9, file: file("a") },
      { status: "existing", snapshotId: others, sequenceNumber: 3, fileSequenceNumber: 2, file: file("b") },
      { status: "deleted", snapshotId: mine, sequenceNumber: 1, fileSequenceNumber: 1, file: file("c") },
    ]);
    assert.equal(listed.minSequenceNumber, 3);
    assert.deepEqual(
      [listed.addedFiles, listed.existingFiles, listed.deletedFiles, listed.addedRows, listed.deletedRows],
      [1, 1, 1, 5, 5],
    );
    assert.equal(describe("s3://m", 10).sequenceNumber, 10);
  });

  test("a file that isn't a manifest is refused by its name", () => {
    const manifest = { path: "s3://lake/m.avro", addedSnapshotId: 1n, sequenceNumber: 1 };
    assert.throws(() => readManifest(Buffer.from("no"), manifest), {
      code: "iceberg.unreadable",
      message: /m\.avro/,
    });
    assert.throws(() => readTableMetadata({ "format-version": 2 }), { code: "iceberg.unreadable" });
  });

  for (const writer of ["pyiceberg", "spark"]) {
    test(`the golden files of ${writer} are read`, () => {
      const read = (name: string): Buffer => readFileSync(join(import.meta.dirname, "golden", writer, name));
      const metadata = readTableMetadata(parseJson(read("metadata.json").toString()));
      const snapshot = currentSnapshot(metadata);
      assert.ok(snapshot && snapshot.id > 2n ** 53n);
      assert.deepEqual(
        ancestors(metadata).map((one) => one.sequenceNumber),
        [3, 2, 1],
      );
      const list = readManifestList(read("manifest_list.avro"), "list");
      const entries = list.flatMap((manifest, at) => [...readManifest(read(`manifest_${at}.avro`), manifest)]);
      const seen = entries.map(({ status, sequenceNumber, file: { content, rows, nullCounts } }) => [
        status,
        content,
        sequenceNumber,
        rows,
        nullCounts?.get(4),
      ]);
      assert.deepEqual(seen, GOLDEN[writer]);
      const [first] = entries;
      // Cut to 16 bytes, and raised.
      assert.equal(Buffer.from(first?.file.lowerBounds?.get(4) ?? []).toString(), "https://example.");
      assert.equal(Buffer.from(first?.file.upperBounds?.get(4) ?? []).toString(), "https://example/");
      assert.ok(entries.every(({ snapshotId }) => metadata.snapshots.some((one) => one.id === snapshotId)));
    });
  }
});

const GOLDEN: Readonly<Record<string, unknown>> = {
  pyiceberg: [
    ["added", "data", 3, 9, 3],
    ["deleted", "data", 1, 10, 4],
    ["added", "data", 2, 5, 1],
  ],
  spark: [
    ["added", "data", 2, 5, 1],
    ["added", "data", 1, 10, 4],
    ["added", "position-deletes", 3, 2, undefined],
  ],
};

suite("position deletes", () => {
  test("those of Spark are read, by their file and by what its manifest says", async () => {
    const read = (name: string): Buffer => readFileSync(join(import.meta.dirname, "golden", "spark", name));
    const bytes = read("deletes.parquet");
    const file = { bytes: bytes.length, read: (from: number, to: number) => Promise.resolve(bytes.subarray(from, to)) };
    const found = await Array.fromAsync(readPositionDeletes(file));
    const [, data, deletes] = readManifestList(read("manifest_list.avro"), "list").flatMap((manifest, at) =>
      readManifest(read(`manifest_${at}.avro`), manifest),
    );
    assert.ok(data && deletes);
    assert.deepEqual(
      found,
      [3, 7].map((position) => ({ path: data.file.path, position })),
    );
    assert.equal(deletedFrom(deletes.file), data.file.path);
  });

  test("what is written is read, and the manifest says which one file it's about", async () => {
    const positions = [0, 7, 8, 2 ** 31 + 5];
    const { bytes, describe } = writePositionDeletes("s3://lake/data/ä.parquet", positions);
    const described = describe("s3://lake/data/deletes.parquet");
    assert.equal(described.rows, 4);
    assert.equal(deletedFrom(described), "s3://lake/data/ä.parquet");
    assert.equal(deletedFrom({ ...described, referencedDataFile: undefined }), "s3://lake/data/ä.parquet");
    assert.equal(deletedFrom({ ...described, referencedDataFile: undefined, upperBounds: new Map() }), undefined);
    const file = { bytes: bytes.length, read: (from: number, to: number) => Promise.resolve(bytes.subarray(from, to)) };
    const found = await Array.fromAsync(readPositionDeletes(file));
    assert.deepEqual(
      found,
      positions.map((position) => ({ path: "s3://lake/data/ä.parquet", position })),
    );
  });
});
