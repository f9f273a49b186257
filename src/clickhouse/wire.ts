/** The Content-Encoding of answers. */
import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream";
import * as zlib from "node:zlib";

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
  zstd: () => zlib.createZstdDecompress(),
};

/** The stream without its encoding. Passes it on as it is where the encoding is unknown. */
export function decoded(stream: Readable, encoding: string | undefined): Readable {
  const decoder = DECODERS[encoding ?? ""]?.();
  // An error of either ends both, and the reader sees it.
  return decoder ? pipeline(stream, decoder, () => undefined) : stream;
}

/** Whether the stream ends without a byte. Waits for the first one, and leaves it in the stream. */
export async function isEmpty(stream: Readable): Promise<boolean> {
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    stream.unshift(chunk);
    return false;
  }
  return true;
}
