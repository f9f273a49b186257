/**
 * A Parquet file's footer as it is in the file: field ids are put in and statistics taken out without a page being touched.
 * hyparquet's own metadata won't do: it cuts the microseconds of timestamps, so that an upper bound would be too low.
 */
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import type { RangeReader } from "./range_reader.ts";
import { listItems, structFields, writeStruct } from "./thrift.ts";

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
  const paths = [...schemaNodes(metadataOf(thrift)).keys()];
  const elements = items.map((element, at) => {
    const id = ids.get(paths[at] ?? "");
    if (id === undefined) return writeStruct(thrift, element);
    return writeStruct(thrift, [...element.filter((field) => field.id !== FIELD_ID), { id: FIELD_ID, int: id }]);
  });
  const changed = [thrift.subarray(0, schema.start), header, ...elements, thrift.subarray(schema.end)];
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(
    changed.reduce((bytes, part) => bytes + part.length, 0),
    0,
  );
  end.write(MAGIC, 4, "latin1");
  return Buffer.concat([...changed, end]);
}

/** A Thrift struct as hyparquet reads it. */
interface Struct {
  readonly [field: `field_${number}`]: unknown;
}

interface Metadata {
  readonly field_2?: readonly Struct[];
  readonly field_4?: readonly Struct[];
}

function metadataOf(thrift: Uint8Array): Metadata {
  const view = new DataView(thrift.buffer, thrift.byteOffset, thrift.byteLength);
  return deserializeTCompactProtocol({ view, offset: 0 });
}

function nameOf(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString();
}

/** The elements of the schema by path, in their order: a tree in which each parent says how many children follow. The root's is "". */
function schemaNodes({ field_2: elements = [] }: Metadata): ReadonlyMap<string, { readonly required: boolean }> {
  const found = new Map<string, { readonly required: boolean }>();
  const open: { readonly path: string; left: number }[] = [];
  for (const { field_3: repetition, field_4: name, field_5: children } of elements) {
    while (open.at(-1)?.left === 0) open.pop();
    const parent = open.at(-1);
    if (parent) parent.left -= 1;
    const path = parent === undefined ? "" : [...(parent.path === "" ? [] : [parent.path]), nameOf(name)].join(".");
    found.set(path, { required: repetition === REQUIRED });
    open.push({ path, left: Number(children ?? 0) });
  }
  return found;
}

const REQUIRED = 0;

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

export function rowGroups(thrift: Uint8Array): readonly RowGroup[] {
  const metadata = metadataOf(thrift);
  const nodes = schemaNodes(metadata);
  return (metadata.field_4 ?? []).map(({ field_1: chunks, field_3: rows }) => {
    const columns = (chunks as Struct[]).map(({ field_3: one }) => one as Struct);
    const offsets = columns.map(({ field_9: data, field_11: dictionary }) => Number(dictionary ?? data));
    return {
      offset: Math.min(...offsets),
      rows: Number(rows),
      columns: columns.map((one) => columnChunk(one, nodes)),
    };
  });
}

function columnChunk(chunk: Struct, nodes: ReturnType<typeof schemaNodes>): ColumnChunk {
  const { field_3: names, field_5: values, field_7: bytes, field_12: statistics = {} } = chunk;
  // Fields 1 and 2 are those of old writers, which compared text in several ways.
  const { field_3: nulls, field_5: max, field_6: min } = statistics as Struct;
  const path = (names as Uint8Array[]).map(nameOf).join(".");
  // ClickHouse counts no NULLs where there can be none.
  const none = nodes.get(path)?.required === true ? 0 : undefined;
  return {
    path,
    compressedBytes: Number(bytes),
    values: Number(values),
    nulls: nulls === undefined ? none : Number(nulls),
    min: min as Uint8Array | undefined,
    max: max as Uint8Array | undefined,
  };
}
