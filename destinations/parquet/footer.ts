/**
 * A Parquet file's footer as it is in the file: field ids are put in and statistics taken out without a page being touched.
 * hyparquet's own metadata won't do: it cuts the microseconds of timestamps, so that an upper bound would be too low.
 */
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import type { RangeReader } from "./range_reader.ts";
import { listItems, structFields, type ThriftField, writeStruct } from "./thrift.ts";

export interface Footer {
  /** Where in the file it begins. What is before it are pages. */
  readonly start: number;
  /** FileMetaData, without its length and the mark that end the file. */
  readonly thrift: Uint8Array;
}

const MAGIC = "PAR1";
/** Length of the footer, and the mark. */
const END_BYTES = 8;

/** Rejects if the file has no whole footer. */
export async function readFooter(file: RangeReader): Promise<Footer> {
  const end = Buffer.from(await file.read(Math.max(0, file.bytes - END_BYTES), file.bytes));
  const length = end.length === END_BYTES && end.toString("latin1", 4) === MAGIC ? end.readUInt32LE(0) : undefined;
  const start = file.bytes - END_BYTES - (length ?? 0);
  if (length === undefined || start < MAGIC.length) throw new Error("not a whole Parquet file");
  return { start, thrift: await file.read(start, start + length) };
}

/** The ids of fields in Thrift's structs. https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift */
const SCHEMA = 2;
const NAME = 4;
const CHILDREN = 5;
const FIELD_ID = 9;

/**
 * What belongs in the file from `start` on: the footer with ids, its length and the mark. Nothing else of it changes.
 * @param ids by the path of names below the root, joined with dots: `tags`, `tags.list.element`
 */
export function withFieldIds(thrift: Uint8Array, ids: ReadonlyMap<string, number>): Uint8Array {
  const [fields] = structFields(thrift, 0);
  const schema = fields.find((field) => field.id === SCHEMA);
  if (!schema) throw new Error("a footer without a schema");
  const { header, items } = listItems(thrift, schema);
  const paths = nodePaths(items.map(([element]) => node(thrift, element)));
  const elements = items.map(([element], at) => {
    const id = ids.get(paths[at] ?? "");
    const rest = element.filter((field) => field.id !== FIELD_ID || id === undefined);
    return writeStruct(thrift, id === undefined ? rest : [...rest, { id: FIELD_ID, int: id }]);
  });
  const changed = Buffer.concat([thrift.subarray(0, schema.start), header, ...elements, thrift.subarray(schema.end)]);
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(changed.length, 0);
  end.write(MAGIC, 4, "latin1");
  return Buffer.concat([changed, end]);
}

interface SchemaNode {
  readonly name: string;
  readonly children: number;
}

function node(thrift: Uint8Array, element: readonly ThriftField[]): SchemaNode {
  const name = element.find((field) => field.id === NAME);
  const children = element.find((field) => field.id === CHILDREN);
  return { name: name?.text(thrift) ?? "", children: children?.int(thrift) ?? 0 };
}

/** The path of each element of the schema, which is a tree in the order of its nodes. The root's is "". */
function nodePaths(nodes: readonly SchemaNode[]): readonly string[] {
  const paths: string[] = [];
  const open: { readonly path: string; left: number }[] = [];
  for (const { name, children } of nodes) {
    while (open.at(-1)?.left === 0) open.pop();
    const parent = open.at(-1);
    if (parent) parent.left -= 1;
    const path = parent === undefined ? "" : [...(parent.path === "" ? [] : [parent.path]), name].join(".");
    paths.push(path);
    open.push({ path, left: children });
  }
  return paths;
}

/** What the footer says of one column in one row group. */
export interface ColumnChunk {
  /** As for `withFieldIds`. */
  readonly path: string;
  readonly compressedBytes: number;
  /** NULLs included; of a list, its elements. */
  readonly values: number;
  readonly nulls: number | undefined;
  /** In the file's own plain encoding. Undefined if the writer gave none. */
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
}

export interface RowGroup {
  /** Where its first page begins. */
  readonly offset: number;
  readonly rows: number;
  readonly columns: readonly ColumnChunk[];
}

/** A Thrift struct as hyparquet reads it. */
interface Struct {
  readonly [field: `field_${number}`]: unknown;
}

export function rowGroups(thrift: Uint8Array): readonly RowGroup[] {
  const view = new DataView(thrift.buffer, thrift.byteOffset, thrift.byteLength);
  const { field_4: groups = [] } = deserializeTCompactProtocol({ view, offset: 0 }) as { readonly field_4?: Struct[] };
  return groups.map(({ field_1: chunks, field_3: rows }) => {
    const metadata = (chunks as Struct[]).map(({ field_3: one }) => one as Struct);
    const offsets = metadata.map(({ field_9: data, field_11: dictionary }) => Number(dictionary ?? data));
    return { offset: Math.min(...offsets), rows: Number(rows), columns: metadata.map(columnChunk) };
  });
}

function columnChunk({ field_3: path, field_5: values, field_7: bytes, field_12: given }: Struct): ColumnChunk {
  // Fields 1 and 2 are those of old writers, which compared text in several ways.
  const statistics = (given ?? {}) as Struct;
  const nulls = statistics["field_3"];
  return {
    path: (path as Uint8Array[]).map((name) => Buffer.from(name).toString()).join("."),
    compressedBytes: Number(bytes),
    values: Number(values),
    nulls: nulls === undefined ? undefined : Number(nulls),
    min: statistics["field_6"] as Uint8Array | undefined,
    max: statistics["field_5"] as Uint8Array | undefined,
  };
}
