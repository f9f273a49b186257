import { cityHash128 } from "./city_hash.ts";

const BLOCK = 64 * 1024;
const HEADER = 9;
const LZ4 = 0x82;

/**
 * ClickHouse's own compression (`compress=1`) in form, without making anything smaller: a checksum, the header, and the bytes as LZ4
 * without matches. ClickHouse has a method for bytes as they are, too, but JDBC reads nothing but LZ4.
 */
export async function* toBlocks(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  for await (const chunk of chunks) yield* blocksOf(chunk);
}

export function inBlocks(bytes: Uint8Array): Buffer {
  return Buffer.concat([...blocksOf(bytes)]);
}

function* blocksOf(bytes: Uint8Array): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += BLOCK) yield nativeBlock(bytes.subarray(at, at + BLOCK));
}

function nativeBlock(bytes: Uint8Array): Buffer {
  const payload = Buffer.concat([literals(bytes.length), bytes]);
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(LZ4);
  header.writeUInt32LE(HEADER + payload.length, 1);
  header.writeUInt32LE(bytes.length, 5);
  const block = Buffer.concat([header, payload]);
  return Buffer.concat([cityHash128(block), block]);
}

/** How an LZ4 block of `count` literals begins: 15 in the token, then 255 per byte until one is less. */
function literals(count: number): Buffer {
  if (count < 15) return Buffer.from([count << 4]);
  const rest = count - 15;
  const full = Math.floor(rest / 255);
  return Buffer.concat([Buffer.from([0xf0]), Buffer.alloc(full, 255), Buffer.from([rest % 255])]);
}
