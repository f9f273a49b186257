/** The Avro schemas of manifests and manifest lists in format 2. Readers go by the field ids. https://iceberg.apache.org/spec/#manifests */
import type { AvroValue } from "../avro/read.ts";
import type { AvroField, AvroRecord, AvroSchema } from "../avro/schema.ts";

function needed(id: number, name: string, type: AvroSchema): AvroField {
  return { name, type, "field-id": id };
}

function optional(id: number, name: string, type: AvroSchema): AvroField {
  return { name, type: ["null", type], default: null, "field-id": id };
}

/** From field id to a value: an array of records, since keys of Avro's own maps are text. */
function byField(keyId: number, valueId: number, value: AvroSchema): AvroSchema {
  const fields = [needed(keyId, "key", "int"), needed(valueId, "value", value)];
  const items: AvroRecord = { type: "record", name: `k${keyId}_v${valueId}`, fields };
  return { type: "array", items, logicalType: "map" };
}

function list(id: number, items: AvroSchema): AvroSchema {
  return { type: "array", items, "element-id": id };
}

const DATA_FILE: AvroRecord = {
  type: "record",
  name: "r2",
  fields: [
    needed(134, "content", "int"),
    needed(100, "file_path", "string"),
    needed(101, "file_format", "string"),
    // Of an unpartitioned table.
    needed(102, "partition", { type: "record", name: "r102", fields: [] }),
    needed(103, "record_count", "long"),
    needed(104, "file_size_in_bytes", "long"),
    optional(108, "column_sizes", byField(117, 118, "long")),
    optional(109, "value_counts", byField(119, 120, "long")),
    optional(110, "null_value_counts", byField(121, 122, "long")),
    optional(137, "nan_value_counts", byField(138, 139, "long")),
    optional(125, "lower_bounds", byField(126, 127, "bytes")),
    optional(128, "upper_bounds", byField(129, 130, "bytes")),
    optional(131, "key_metadata", "bytes"),
    optional(132, "split_offsets", list(133, "long")),
    optional(135, "equality_ids", list(136, "int")),
    optional(140, "sort_order_id", "int"),
    optional(143, "referenced_data_file", "string"),
  ],
};

export const MANIFEST_ENTRY: AvroRecord = {
  type: "record",
  name: "manifest_entry",
  fields: [
    needed(0, "status", "int"),
    optional(1, "snapshot_id", "long"),
    optional(3, "sequence_number", "long"),
    optional(4, "file_sequence_number", "long"),
    needed(2, "data_file", DATA_FILE),
  ],
};

const FIELD_SUMMARY: AvroRecord = {
  type: "record",
  name: "r508",
  fields: [
    needed(509, "contains_null", "boolean"),
    optional(518, "contains_nan", "boolean"),
    optional(510, "lower_bound", "bytes"),
    optional(511, "upper_bound", "bytes"),
  ],
};

export const MANIFEST_FILE: AvroRecord = {
  type: "record",
  name: "manifest_file",
  fields: [
    needed(500, "manifest_path", "string"),
    needed(501, "manifest_length", "long"),
    needed(502, "partition_spec_id", "int"),
    needed(517, "content", "int"),
    needed(515, "sequence_number", "long"),
    needed(516, "min_sequence_number", "long"),
    needed(503, "added_snapshot_id", "long"),
    needed(504, "added_files_count", "int"),
    needed(505, "existing_files_count", "int"),
    needed(506, "deleted_files_count", "int"),
    needed(512, "added_rows_count", "long"),
    needed(513, "existing_rows_count", "long"),
    needed(514, "deleted_rows_count", "long"),
    optional(507, "partitions", list(508, FIELD_SUMMARY)),
    optional(519, "key_metadata", "bytes"),
  ],
};

/** Fields that only formats 1 and 3 have: which we read, or which say nothing about the rows. */
const OTHERS: readonly AvroField[] = [
  optional(105, "block_size_in_bytes", "long"),
  optional(106, "file_ordinal", "int"),
  optional(107, "sort_columns", list(112, "int")),
  optional(111, "distinct_counts", byField(123, 124, "long")),
  optional(144, "content_offset", "long"),
  optional(145, "content_size_in_bytes", "long"),
];

const NAMES = new Map<number, string>();
for (const { fields } of [MANIFEST_ENTRY, DATA_FILE, MANIFEST_FILE, { fields: OTHERS }])
  for (const { name, "field-id": id } of fields) if (id !== undefined) NAMES.set(id, name);
const KNOWN: ReadonlySet<string> = new Set(NAMES.values());

/** A field of a file or a manifest that has a value and that would be lost if we wrote it again. Undefined if there is none. */
export function unknownField(record: AvroValue): string | undefined {
  return Object.entries(record ?? {}).find(([name, value]) => value !== null && !KNOWN.has(name))?.[0];
}

/** For the property `unknown`. */
export function asUnknown(name: string | undefined): { readonly unknown?: string } {
  return name === undefined ? {} : { unknown: name };
}

/** The name above of a field in a file by any writer: some use other names for the same id. */
export function nameById({ name, "field-id": id }: AvroField): string {
  return (id === undefined ? undefined : NAMES.get(id)) ?? name;
}
