/**
 * Where the fields of a struct are in Thrift's compact protocol, so that one can be put in and all else stays as it is: a
 * serializer that guesses types from values changes them.
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */

const BYTE = 3;
const I32 = 5;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const STRUCT = 12;
/** A field's byte has its type in the lower half, and in the upper half how much its id is above the last one. */
const LARGEST_DELTA = 15;

export interface ThriftField {
  readonly id: number;
  readonly type: number;
  /** Where its value begins and ends. */
  readonly start: number;
  readonly end: number;
}

/** A field to put in: an i32 that is not negative. */
export interface NewField {
  readonly id: number;
  readonly int: number;
}

/** The fields of the struct that begins at `start`, and where it ends. */
export function structFields(bytes: Uint8Array, start: number): readonly [fields: readonly ThriftField[], end: number] {
  const fields: ThriftField[] = [];
  let id = 0;
  for (let at = start; ;) {
    const header = byteAt(bytes, at);
    at += 1;
    if (header === 0) return [fields, at];
    const type = header & 0x0f;
    if (header >> 4 > 0) id += header >> 4;
    else {
      const long = varint(bytes, at);
      id = unzigzag(long.value);
      at = long.end;
    }
    const begin = at;
    at = valueEnd(bytes, type, at);
    fields.push({ id, type, start: begin, end: at });
  }
}

/** The fields of each struct of a list, and the bytes before them. */
export function listItems(
  bytes: Uint8Array,
  { type, start }: ThriftField,
): { readonly header: Uint8Array; readonly items: readonly (readonly ThriftField[])[] } {
  const { count, element, at: first } = listHeader(bytes, start);
  if (type !== LIST || element !== STRUCT) throw new Error("not a list of structs");
  const items: (readonly ThriftField[])[] = [];
  let at = first;
  for (let index = 0; index < count; index += 1) {
    const [fields, end] = structFields(bytes, at);
    items.push(fields);
    at = end;
  }
  return { header: bytes.subarray(start, first), items };
}

/** A struct of those fields: the values of the old ones are copied from `bytes`. */
export function writeStruct(bytes: Uint8Array, fields: readonly (ThriftField | NewField)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let last = 0;
  for (const field of fields.toSorted((a, b) => a.id - b.id)) {
    const type = "int" in field ? I32 : field.type;
    const delta = field.id - last;
    const short = delta > 0 && delta <= LARGEST_DELTA;
    parts.push(short ? Uint8Array.of((delta << 4) | type) : Uint8Array.of(type, ...varintOf(field.id * 2)));
    parts.push("int" in field ? Uint8Array.from(varintOf(field.int * 2)) : bytes.subarray(field.start, field.end));
    last = field.id;
  }
  return Buffer.concat([...parts, Uint8Array.of(0)]);
}

function valueEnd(bytes: Uint8Array, type: number, at: number): number {
  switch (type) {
    // True and false are in the type.
    case 1:
    case 2:
      return at;
    case BYTE:
      return at + 1;
    case 4:
    case I32:
    case 6:
      return varint(bytes, at).end;
    case DOUBLE:
      return at + 8;
    case BINARY: {
      const { value, end } = varint(bytes, at);
      return end + value;
    }
    case LIST:
    case SET: {
      const { count, element, at: first } = listHeader(bytes, at);
      let end = first;
      // Booleans have a byte each in a list.
      for (let index = 0; index < count; index += 1) end = element <= 2 ? end + 1 : valueEnd(bytes, element, end);
      return end;
    }
    case STRUCT:
      return structFields(bytes, at)[1];
    default:
      throw new Error(`Thrift's type ${type} in a footer`);
  }
}

function listHeader(
  bytes: Uint8Array,
  start: number,
): { readonly count: number; readonly element: number; readonly at: number } {
  const header = byteAt(bytes, start);
  const element = header & 0x0f;
  if (header >> 4 < 15) return { count: header >> 4, element, at: start + 1 };
  const { value, end } = varint(bytes, start + 1);
  return { count: value, element, at: end };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error("a footer that ends too early");
  return byte;
}

/** Groups of seven bits, the lowest first. Of a number of 64 bits only the end counts here. */
function varint(bytes: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start, scale = 1; ; at += 1, scale *= 128) {
    const byte = byteAt(bytes, at);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
  }
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function varintOf(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varintOf(Math.floor(value / 128))];
}
