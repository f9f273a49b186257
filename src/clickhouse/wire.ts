/** Requests and answers as HTTP has them: forms, the Content-Encoding of answers, and small answers in JSON. */
import { randomUUID } from "node:crypto";
import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream";
import * as zlib from "node:zlib";
import type { Parameter, Query } from "../models/model.ts";

/**
 * A query and its parameters as a form. In the URL, where the client's `exec()` puts parameters, the salt of hashes would be in
 * the access log of every proxy, and thousands of teams would be refused as too long.
 */
export function asForm({ sql, parameters }: Query): { readonly body: string; readonly contentType: string } {
  const boundary = `replayport-${randomUUID()}`;
  const fields = Object.entries(parameters).map(([name, value]) => [`param_${name}`, parameterText(value)] as const);
  const parts = [["query", sql] as const, ...fields].map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return { body: `${parts.join("")}--${boundary}--\r\n`, contentType: `multipart/form-data; boundary=${boundary}` };
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  "\0": "\\0",
};

/** The value as ClickHouse parses parameters: as in its format TabSeparated. */
function parameterText(value: Parameter): string {
  if (typeof value === "string") return escaped(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") return String(value);
  const items = value.map((one: string | number) => (typeof one === "string" ? `'${escaped(one)}'` : String(one)));
  return `[${items.join(",")}]`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\'\t\n\r\0]/g, (character) => ESCAPES[character] ?? "");
}

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

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An answer in FORMAT JSON. */
export interface Rows<T> {
  readonly data: T[];
  /** Names of the columns, from the header. */
  readonly columns: readonly string[];
}

/** Nothing where the body isn't all of FORMAT JSON, or is JSON of something else. */
export function parseRows(body: string): Partial<Rows<object>> & { readonly exception?: string } {
  try {
    const { data, exception, meta, rows } = JSON.parse(body) as Readonly<Record<string, unknown>>;
    if (typeof exception === "string") return { exception };
    const header = Array.isArray(meta) ? meta.filter(isObject) : [];
    const columns = header.map((column) => ("name" in column ? String(column.name) : ""));
    if (!Array.isArray(data) || !data.every(isObject)) return {};
    return rows === undefined || rows === data.length ? { data, columns } : {};
  } catch {
    return {};
  }
}

/** More than any error of ClickHouse's. What answers in its place may send anything. */
const LONGEST_ERROR = 64 * 1024;

/** The text of an error, however the stream ends. */
export async function beginningOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > LONGEST_ERROR) break;
    }
  } catch {
    // What came before says more than nothing.
  }
  return Buffer.concat(chunks).subarray(0, LONGEST_ERROR).toString("utf8");
}
