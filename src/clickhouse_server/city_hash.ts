/**
 * CityHash128 of version 1.0.2 (Google, MIT license), the checksum of ClickHouse's compressed blocks. Later versions have other
 * values, so no library does.
 */
const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const K3 = 0xc949d7c7509e6557n;
const MUL = 0x9ddfea08eb382d69n;

type Pair = readonly [low: bigint, high: bigint];

/** @returns the 16 bytes as ClickHouse writes them */
export function cityHash128(bytes: Buffer): Buffer {
  const size = bytes.length;
  const [low, high] =
    size >= 16
      ? seeded(bytes.subarray(16), bytes.readBigUInt64LE(0) ^ K3, bytes.readBigUInt64LE(8))
      : size >= 8
        ? seeded(
            bytes.subarray(0, 0),
            bytes.readBigUInt64LE(0) ^ u64(BigInt(size) * K0),
            bytes.readBigUInt64LE(size - 8) ^ K1,
          )
        : seeded(bytes, K0, K1);
  const hash = Buffer.alloc(16);
  hash.writeBigUInt64LE(low, 0);
  hash.writeBigUInt64LE(high, 8);
  return hash;
}

function seeded(s: Buffer, seed0: bigint, seed1: bigint): Pair {
  if (s.length < 128) return murmur(s, seed0, seed1);
  const at = (offset: number): bigint => s.readBigUInt64LE(offset);
  let [x, y, z] = [seed0, seed1, u64(K1 * BigInt(s.length))];
  let v: Pair = [u64(rotate(y ^ K1, 49n) * K1 + at(0)), 0n];
  v = [v[0], u64(rotate(v[0], 42n) * K1 + at(8))];
  let w: Pair = [u64(rotate(u64(y + z), 35n) * K1 + x), u64(rotate(u64(x + at(88)), 53n) * K1)];
  let position = 0;
  for (; s.length - position >= 128;) {
    for (const end = position + 128; position < end; position += 64) {
      x = u64(rotate(u64(x + y + v[0] + at(position + 16)), 37n) * K1) ^ w[1];
      y = u64(rotate(u64(y + v[1] + at(position + 48)), 42n) * K1) ^ v[0];
      z = rotate(z ^ w[0], 33n);
      v = weak(s, position, u64(v[1] * K1), u64(x + w[0]));
      w = weak(s, position + 32, u64(z + w[1]), y);
      [x, z] = [z, x];
    }
  }
  y = u64(y + rotate(w[0], 37n) * K0 + z);
  x = u64(x + rotate(u64(v[0] + z), 49n) * K0);
  // The rest, in chunks of 32 bytes from the end. The last one may reach back into what is hashed already.
  const rest = s.length - position;
  for (let done = 32; done < rest + 32; done += 32) {
    y = u64(rotate(u64(y - x), 42n) * K0 + v[1]);
    const w0 = u64(w[0] + at(s.length - done + 16));
    x = u64(rotate(x, 49n) * K0 + w0);
    w = [u64(w0 + v[0]), w[1]];
    v = weak(s, s.length - done, v[0], v[1]);
  }
  x = mix(x, v[0]);
  y = mix(y, w[0]);
  return [u64(mix(u64(x + v[1]), w[1]) + y), mix(u64(x + w[1]), u64(y + v[1]))];
}

function murmur(s: Buffer, seed0: bigint, seed1: bigint): Pair {
  const { length } = s;
  const at = (offset: number): bigint => s.readBigUInt64LE(offset);
  let [a, b, c, d] = [seed0, seed1, 0n, 0n];
  if (length <= 16) {
    a = u64(shift(u64(a * K1)) * K1);
    c = u64(b * K1 + upTo16(s));
    d = shift(u64(a + (length >= 8 ? at(0) : c)));
  } else {
    c = mix(u64(at(length - 8) + K1), a);
    d = mix(u64(b + BigInt(length)), u64(c + at(length - 16)));
    a = u64(a + d);
    for (let position = 0; position < length - 16; position += 16) {
      a = u64((a ^ u64(shift(u64(at(position) * K1)) * K1)) * K1);
      b ^= a;
      c = u64((c ^ u64(shift(u64(at(position + 8) * K1)) * K1)) * K1);
      d ^= c;
    }
  }
  a = mix(a, c);
  b = mix(d, b);
  return [a ^ b, mix(b, a)];
}

function upTo16(s: Buffer): bigint {
  const { length } = s;
  if (length > 8) {
    const [a, b] = [s.readBigUInt64LE(0), s.readBigUInt64LE(length - 8)];
    return mix(a, rotate(u64(b + BigInt(length)), BigInt(length))) ^ b;
  }
  if (length >= 4) return mix(BigInt(s.readUInt32LE(0)) * 8n + BigInt(length), BigInt(s.readUInt32LE(length - 4)));
  if (length === 0) return K2;
  const y = s[0]! + s[length >>> 1]! * 256;
  const z = length + s[length - 1]! * 4;
  return u64(shift(u64(BigInt(y) * K2) ^ u64(BigInt(z) * K3)) * K2);
}

function weak(s: Buffer, position: number, seed0: bigint, seed1: bigint): Pair {
  const [w, x] = [s.readBigUInt64LE(position), s.readBigUInt64LE(position + 8)];
  const [y, z] = [s.readBigUInt64LE(position + 16), s.readBigUInt64LE(position + 24)];
  const c = u64(seed0 + w);
  const a = u64(c + x + y);
  return [u64(a + z), u64(rotate(u64(seed1 + c + z), 21n) + rotate(a, 44n) + c)];
}

function mix(u: bigint, v: bigint): bigint {
  const a = shift(u64((u ^ v) * MUL));
  return u64(shift(u64((v ^ a) * MUL)) * MUL);
}

function shift(value: bigint): bigint {
  return value ^ (value >> 47n);
}

function rotate(value: bigint, by: bigint): bigint {
  return (value >> by) | u64(value << (64n - by));
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
