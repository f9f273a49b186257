import type { FileHandle } from "node:fs/promises";
import type { RangeReader } from "./range_reader.ts";

export function localFile(handle: FileHandle, bytes: number): RangeReader {
  return {
    bytes,
    async read(start, end) {
      const part = Buffer.alloc(end - start);
      const { bytesRead } = await handle.read(part, 0, part.length, start);
      if (bytesRead !== part.length) throw new Error(`it has fewer than ${end} bytes`);
      return part;
    },
  };
}
