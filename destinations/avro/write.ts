/** Writes an Avro object container file: the parts of Avro that Iceberg's manifests need. */
import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import type { AvroValue } from "./read.ts";
import { type AvroSchema, isLogical, isUnion, MAGIC, SYNC_BYTES } from "./schema.ts";

export interface AvroContent {
  readonly schema: AvroSchema;
  /** Entries of the header. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly records: readonly AvroValue[];
}

/** One block, compressed by deflate. The same content gives the same bytes. @throws Error if a value isn't of its type */
export function writeAvro({ schema, metadata = {}, records }: AvroContent): Uint8Array {
  const body = new Output();
  const encode = encoder(schema);
  for (const record of records) encode(body, record);
  const block = deflateRawSync(body.bytes());
  // Any sixteen bytes do, as long as they don't occur by chance.
  const sync = createHash("sha256").update(block).digest().subarray(0, SYNC_BYTES);
  const file = new Output();
  file.append(MAGIC);
  const header = { ...metadata, "avro.codec": "deflate", "avro.schema": JSON.stringify(schema) };
  file.long(Object.keys(header).length);
  for (const [key, value] of Object.entries(header)) {
    file.text(key);
    file.text(value);
  }
  file.long(0);
  file.append(sync);
  if (records.length === 0) return file.bytes();
  file.long(records.length);
  file.long(block.length);
  file.append(block);
  file.append(sync);
  return file.bytes();
}

type Encode = (to: Output, value: AvroValue | undefined) => void;

function encoder(schema: AvroSchema): Encode {
  if (typeof schema === "string") return primitive(schema);
  if (isUnion(schema)) return optional(schema);
  if (isLogical(schema)) return primitive(schema.type);
  switch (schema.type) {
    case "record": {
      const fields = schema.fields.map(({ name, type }) => ({ name, encode: encoder(type) }));
      return (to, value) => {
        if (!isRecord(value)) throw mismatch(schema.name, value);
        for (const { name, encode } of fields) encode(to, value[name]);
      };
    }
    case "array": {
      const item = encoder(schema.items);
      return (to, value) => {
        if (!isList(value)) throw mismatch("array", value);
        if (value.length > 0) to.long(value.length);
        for (const one of value) item(to, one);
        to.long(0);
      };
    }
    case "fixed":
    case "enum":
    case "map":
      throw new Error(`can't write Avro's ${schema.type}`);
    default:
      return schema satisfies never;
  }
}

function isList(value: AvroValue | undefined): value is readonly AvroValue[] {
  return Array.isArray(value);
}

function isRecord(value: AvroValue | undefined): value is { readonly [name: string]: AvroValue } {
  return typeof value === "object" && value !== null && !isList(value) && !(value instanceof Uint8Array);
}

/** A union of null and one other type. */
function optional(schema: readonly AvroSchema[]): Encode {
  const [none, some] = schema;
  if (none !== "null" || some === undefined || schema.length !== 2) throw new Error("can't write this union");
  const encode = encoder(some);
  return (to, value) => {
    const missing = value === null || value === undefined;
    to.long(missing ? 0 : 1);
    if (!missing) encode(to, value);
  };
}

function primitive(name: string): Encode {
  switch (name) {
    case "boolean":
      return (to, value) => {
        if (typeof value !== "boolean") throw mismatch(name, value);
        to.append(Uint8Array.of(Number(value)));
      };
    case "int":
    case "long":
      return (to, value) => {
        if (typeof value !== "bigint" && !Number.isSafeInteger(value)) throw mismatch(name, value);
        to.long(value as number | bigint);
      };
    case "string":
      return (to, value) => {
        if (typeof value !== "string") throw mismatch(name, value);
        to.text(value);
      };
    case "bytes":
      return (to, value) => {
        if (!(value instanceof Uint8Array)) throw mismatch(name, value);
        to.long(value.length);
        to.append(value);
      };
    default:
      throw new Error(`can't write Avro's ${name}`);
  }
}

function mismatch(type: string, value: AvroValue | undefined): Error {
  return new Error(`a ${typeof value} isn't of Avro's type ${type}`);
}

class Output {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  #length = 0;

  append(part: Uint8Array): void {
    this.#reserve(part.length);
    this.#bytes.set(part, this.#length);
    this.#length += part.length;
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.long(bytes.length);
    this.append(bytes);
  }

  long(value: number | bigint): void {
    this.#reserve(10);
    // Most are small, and bigints are slow.
    if (typeof value === "number" && value >= 0 && value < 2 ** 30) {
      let small = value * 2;
      for (; small >= 0x80; small >>>= 7) this.#push((small & 0x7f) | 0x80);
      this.#push(small);
      return;
    }
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    for (; rest >= 0x80n; rest >>= 7n) this.#push(Number(rest & 0x7fn) | 0x80);
    this.#push(Number(rest));
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #push(byte: number): void {
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
