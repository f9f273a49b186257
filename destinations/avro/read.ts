/** Reads an Avro object container file by the schema that it was written with. */
import * as zlib from "node:zlib";
import { type AvroField, type AvroSchema, isLogical, isUnion, MAGIC, SYNC_BYTES } from "./schema.ts";

/** A long is a number where that is exact, else a bigint. Bytes and fixed are Uint8Arrays, records are objects. */
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | { readonly [name: string]: AvroValue };

export interface AvroFile {
  readonly schema: AvroSchema;
  /** The header's entries, those of the format itself too. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly records: readonly AvroValue[];
}

/**
 * @param nameOf the property that a field becomes. Default: its name
 * @throws Error if the bytes aren't whole
 */
export function readAvro(bytes: Uint8Array, nameOf: (field: AvroField) => string = ({ name }) => name): AvroFile {
  const file = new Cursor(bytes);
  if (!MAGIC.every((byte) => file.byte() === byte)) throw new Error("not an Avro file");
  const metadata = new Map(entries(file, () => file.take(file.length())));
  const text = (key: string): string | undefined => {
    const value = metadata.get(key);
    return value && Buffer.from(value).toString();
  };
  const schema = JSON.parse(text("avro.schema") ?? "") as AvroSchema;
  const codec = text("avro.codec") ?? "null";
  const sync = file.take(SYNC_BYTES);
  const decode = decoder(schema, nameOf, new Map());
  const records: AvroValue[] = [];
  while (!file.atEnd()) {
    const count = file.length();
    const block = new Cursor(decompress(codec, file.take(file.length())));
    for (let at = 0; at < count; at += 1) records.push(decode(block));
    if (!block.atEnd()) throw new Error("a block is longer than its records");
    if (!Buffer.from(file.take(SYNC_BYTES)).equals(sync)) throw new Error("a block doesn't end with the file's mark");
  }
  return { schema, metadata, records };
}

function decompress(codec: string, block: Uint8Array): Uint8Array {
  switch (codec) {
    case "null":
      return block;
    case "deflate":
      return zlib.inflateRawSync(block);
    case "zstandard":
      return zlib.zstdDecompressSync(block);
    default:
      throw new Error(`its blocks are compressed by ${codec}`);
  }
}

type Decode = (from: Cursor) => AvroValue;

function decoder(schema: AvroSchema, nameOf: (field: AvroField) => string, named: Map<string, Decode>): Decode {
  const of = (part: AvroSchema): Decode => decoder(part, nameOf, named);
  if (typeof schema === "string") {
    const found = PRIMITIVES[schema] ?? named.get(schema) ?? named.get(schema.split(".").at(-1) ?? "");
    if (!found) throw new Error(`unknown type ${schema}`);
    return found;
  }
  if (isUnion(schema)) {
    const branches = schema.map(of);
    return (from) => {
      const branch = branches[from.length()];
      if (!branch) throw new Error("a value of none of a union's types");
      return branch(from);
    };
  }
  if (isLogical(schema)) return of(schema.type);
  switch (schema.type) {
    case "record": {
      const fields: { readonly name: string; readonly decode: Decode }[] = [];
      const decode: Decode = (from) => {
        const record: Record<string, AvroValue> = {};
        for (const field of fields) record[field.name] = field.decode(from);
        return record;
      };
      // Before its fields: a record may contain itself.
      named.set(schema.name, decode);
      for (const field of schema.fields) fields.push({ name: nameOf(field), decode: of(field.type) });
      return decode;
    }
    case "fixed": {
      const decode: Decode = (from) => from.take(schema.size);
      named.set(schema.name, decode);
      return decode;
    }
    case "enum": {
      const decode: Decode = (from) => schema.symbols[from.length()] ?? null;
      named.set(schema.name, decode);
      return decode;
    }
    case "array": {
      const items = of(schema.items);
      return (from) => blocks(from, () => items(from));
    }
    case "map": {
      const values = of(schema.values);
      return (from) => Object.fromEntries(entries(from, () => values(from)));
    }
    default:
      return schema satisfies never;
  }
}

function entries<Value>(from: Cursor, value: () => Value): [string, Value][] {
  return blocks(from, () => [from.text(), value()]);
}

/** Items come in blocks; a negative count is followed by the block's size in bytes. */
function blocks<Item>(from: Cursor, item: () => Item): Item[] {
  const items: Item[] = [];
  for (;;) {
    let count = Number(from.long());
    if (count === 0) return items;
    if (count < 0) {
      count = -count;
      from.long();
    }
    for (; count > 0; count -= 1) items.push(item());
  }
}

const PRIMITIVES: Readonly<Record<string, Decode>> = {
  null: () => null,
  boolean: (from) => from.byte() === 1,
  int: (from) => from.long(),
  long: (from) => from.long(),
  float: (from) => from.view(4).getFloat32(0, true),
  double: (from) => from.view(8).getFloat64(0, true),
  bytes: (from) => from.take(from.length()),
  string: (from) => from.text(),
};

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error("it ends too early");
    this.#at += 1;
    return byte;
  }

  /** Zigzag in groups of seven bits, the lowest first. */
  long(): number | bigint {
    let low = 0;
    // 28 bits are exact in the operators of a number.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const signed = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
      const exact = Number(signed);
      return Number.isSafeInteger(exact) ? exact : signed;
    }
    throw new Error("a number of more than 64 bits");
  }

  /** A number that counts something. */
  length(): number {
    const length = Number(this.long());
    if (length < 0) throw new Error("a negative length");
    return length;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("it ends too early");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  text(): string {
    const part = this.take(this.length());
    return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString();
  }

  view(length: number): DataView {
    const part = this.take(length);
    return new DataView(part.buffer, part.byteOffset, length);
  }
}
