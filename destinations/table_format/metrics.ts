/** What a manifest says of a data file's columns, from the footer that its writer left. */
import { isUtf8 } from "node:buffer";
import { rowGroups } from "../parquet/footer.ts";
import { compareBounds, cutLower, cutUpper } from "./bounds.ts";
import type { ByField, DataFile } from "./manifest.ts";
import { type IcebergSchema, leaves } from "./schema.ts";

export type FileMetrics = Required<
  Pick<
    { -readonly [Key in keyof DataFile]: Exclude<DataFile[Key], undefined> },
    "rows" | "columnSizes" | "valueCounts" | "nullCounts" | "lowerBounds" | "upperBounds" | "splitOffsets"
  >
>;

/** Texts are cut to this many bytes. Keys and versions are shorter. */
const LONGEST_BOUND = 64;

/** The types whose plain values in Parquet are the bytes of Iceberg's bounds. */
const SAME_BYTES: ReadonlySet<string> = new Set(["string", "long", "double", "boolean", "timestamptz"]);

/**
 * @param thrift of `readFooter`. Timestamps must be in microseconds
 * @param bounded whether a column gets bounds: they outlive the rows in the table's metadata. Default: each
 */
export function fileMetrics(
  thrift: Uint8Array,
  schema: IcebergSchema,
  bounded: (column: string) => boolean = () => true,
): FileMetrics {
  const byPath = leaves(schema);
  const sizes = new Map<number, number>();
  const values = new Map<number, number>();
  const nulls = new Map<number, number>();
  const lower = new Map<number, Uint8Array>();
  const upper = new Map<number, Uint8Array>();
  /** Columns of which a row group has values and no bounds, or an unknown number of NULLs. */
  const unbounded = new Set<number>();
  const uncounted = new Set<number>();
  const groups = rowGroups(thrift);
  for (const chunk of groups.flatMap((group) => group.columns)) {
    const leaf = byPath.get(chunk.path);
    if (!leaf) continue;
    const { id, type } = leaf;
    sizes.set(id, (sizes.get(id) ?? 0) + chunk.compressedBytes);
    values.set(id, (values.get(id) ?? 0) + chunk.values);
    if (chunk.nulls === undefined) uncounted.add(id);
    nulls.set(id, (nulls.get(id) ?? 0) + (chunk.nulls ?? 0));
    if (chunk.nulls === chunk.values) continue;
    const usable = SAME_BYTES.has(type) && !leaf.repeated && bounded(leaf.column);
    // NaN compares with nothing, not even with itself.
    const ordered = [chunk.min, chunk.max].every((one) => one && compareBounds(type, one, one) === 0);
    if (!usable || !ordered || !chunk.min || !chunk.max) unbounded.add(id);
    else {
      extend(lower, id, chunk.min, (before, min) => (compareBounds(type, min, before) ?? 0) < 0);
      extend(upper, id, chunk.max, (before, max) => (compareBounds(type, max, before) ?? 0) > 0);
    }
  }
  for (const id of uncounted) nulls.delete(id);
  for (const id of unbounded) {
    lower.delete(id);
    upper.delete(id);
  }
  const texts = new Set([...byPath.values()].flatMap(({ id, type }) => (type === "string" ? [id] : [])));
  return {
    rows: groups.reduce((rows, group) => rows + group.rows, 0),
    columnSizes: sizes,
    valueCounts: values,
    nullCounts: nulls,
    lowerBounds: cut(lower, texts, cutLower),
    upperBounds: cut(upper, texts, cutUpper),
    splitOffsets: groups.map((group) => group.offset),
  };
}

function extend(
  bounds: Map<number, Uint8Array>,
  id: number,
  value: Uint8Array,
  further: (before: Uint8Array, value: Uint8Array) => boolean,
): void {
  const before = bounds.get(id);
  if (!before || further(before, value)) bounds.set(id, value);
}

function cut(
  bounds: ByField<Uint8Array>,
  texts: ReadonlySet<number>,
  shorter: (bytes: Uint8Array, longest: number) => Uint8Array | undefined,
): Map<number, Uint8Array> {
  return new Map(
    [...bounds].flatMap(([id, bytes]) => {
      // ClickHouse's texts may be any bytes, and readers fail on a bound that isn't UTF-8.
      const short = texts.has(id) ? shorter(bytes, LONGEST_BOUND) : bytes;
      return short && (isUtf8(bytes) || !texts.has(id)) ? [[id, short] as const] : [];
    }),
  );
}
