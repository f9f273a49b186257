import type { Transform } from "node:stream";
import zlib from "node:zlib";
import { ServerException } from "./exception.ts";

/** A compression of the engine (`COMPRESSION 'name'`). HTTP's Content-Encoding has the same names. */
export type Encoding = "zstd" | "br" | "lz4" | "snappy" | "gzip" | "deflate" | "xz";

// Source: ClickHouse, src/IO/CompressionMethod.cpp, chooseHTTPCompressionMethod(): best first, found anywhere in the
// header, quality values ignored. It also knows bz2, which this build of the engine can't write.
const BEST_FIRST: readonly Encoding[] = ["zstd", "br", "lz4", "snappy", "gzip", "deflate", "xz"];

/** The compression of an answer, chosen as ClickHouse chooses it. */
export function chooseEncoding(acceptEncoding: string | undefined): Encoding | undefined {
  return BEST_FIRST.find((encoding) => acceptEncoding?.includes(encoding));
}

// http_zlib_compression_level is for every method, up to the method's own highest level (zlib's 9, brotli's 11).
const HIGHEST: Partial<Record<Encoding, number>> = { zstd: 22, br: 11, lz4: 12, gzip: 9, deflate: 9, xz: 9 };
const LEVEL = 3;

/** The clause that makes the engine write its file compressed. */
export function compressionClause(encoding: Encoding | undefined, level: number | undefined): string {
  if (!encoding) return "COMPRESSION 'none'";
  const highest = HIGHEST[encoding];
  if (highest === undefined) return `COMPRESSION '${encoding}'`;
  const wanted = level !== undefined && Number.isInteger(level) && level > 0 ? level : LEVEL;
  return `COMPRESSION '${encoding}' LEVEL ${Math.min(wanted, highest)}`;
}

const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ["gzip", () => zlib.createGunzip()],
  ["x-gzip", () => zlib.createGunzip()],
  ["deflate", () => zlib.createInflate()],
  ["br", () => zlib.createBrotliDecompress()],
  ["zstd", () => zlib.createZstdDecompress()],
]);

/** Decodes a request's body. Undefined if it has no Content-Encoding. */
export function decoder(contentEncoding: string | undefined): Transform | undefined {
  const name = contentEncoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return undefined;
  const create = DECODERS.get(name);
  if (create) return create();
  const message =
    `A request's body in ${name} is not supported: send it as it is, or with gzip, deflate, br or zstd ` +
    "(JDBC: decompress=false; clickhouse-connect: raw_insert with CSV or JSONEachRow).";
  throw new ServerException(48, "NOT_IMPLEMENTED", message);
}
