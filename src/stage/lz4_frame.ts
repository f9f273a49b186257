/** Whether a file is made of complete LZ4 frames. Node.js has no LZ4, but the lengths in a frame show a truncated one (LZ4 frame format 1.6). */
import { open } from "node:fs/promises";

const MAGIC = 0x184d2204;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const DICTIONARY_ID = 0x01;
/** The highest bit of a block's length means that the block is stored uncompressed. */
const LENGTH_MASK = 0x7fffffff;

export async function isWholeLz4(path: string): Promise<boolean> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const word = async (at: number): Promise<number | undefined> => {
    if (at + 4 > size) return undefined;
    const bytes = Buffer.alloc(4);
    await file.read(bytes, 0, 4, at);
    return bytes.readUInt32LE();
  };
  let at = 0;
  while (at < size) {
    if ((await word(at)) !== MAGIC) return false;
    const flags = ((await word(at + 4)) ?? 0) & 0xff;
    at += 7 + (flags & CONTENT_SIZE ? 8 : 0) + (flags & DICTIONARY_ID ? 4 : 0);
    for (;;) {
      const length = await word(at);
      if (length === undefined) return false;
      at += 4;
      if (length === 0) break;
      at += (length & LENGTH_MASK) + (flags & BLOCK_CHECKSUM ? 4 : 0);
    }
    if (flags & CONTENT_CHECKSUM) at += 4;
  }
  return at === size && size > 0;
}
