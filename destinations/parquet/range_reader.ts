import type { AsyncBuffer } from "hyparquet";

/** A file on disk, or an object of a store (`Store.readRange`). */
export interface RangeReader {
  readonly bytes: number;
  /** Exactly the bytes from `start` up to `end`, not included. Rejects if there are fewer. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

export function asyncBuffer({ bytes, read }: RangeReader): AsyncBuffer {
  return {
    byteLength: bytes,
    async slice(start, end = bytes) {
      const part = await read(start, end);
      // A small Buffer is a view of a larger one: then it's copied.
      return part.byteLength === part.buffer.byteLength ? (part.buffer as ArrayBuffer) : new Uint8Array(part).buffer;
    },
  };
}

/** Keeps what was read last of the file's end: its footer is read several times. */
export function keepFooter({ bytes, read }: RangeReader): RangeReader {
  let footer: { readonly start: number; readonly part: Uint8Array } | undefined;
  return {
    bytes,
    async read(start, end) {
      if (end !== bytes) return await read(start, end);
      if (footer === undefined || footer.start > start) footer = { start, part: await read(start, end) };
      return footer.part.subarray(start - footer.start);
    },
  };
}
