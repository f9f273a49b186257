import { open, unlink } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { ChdbResult } from "./chdb.ts";
import type { Encoding } from "./compression.ts";
import type { ServerException } from "./exception.ts";
import { contentTypeOf } from "./formats.ts";
import { inBlocks, toBlocks } from "./native_blocks.ts";

/** What a statement led to. The result is in a file, or small. */
export interface Outcome {
  readonly result: ChdbResult;
  readonly wrote: boolean;
  readonly format: string;
  readonly encoding: Encoding | undefined;
  readonly body: { readonly file: string } | { readonly bytes: Uint8Array };
}

/** Sends a result with backpressure. Unlinks the file once it is open, so that it's gone however this ends. */
export async function sendOutcome(
  response: ServerResponse,
  outcome: Outcome,
  blocks: boolean,
  signal: AbortSignal,
): Promise<void> {
  response.statusCode = 200;
  response.setHeader("Content-Type", contentTypeOf(outcome.format));
  response.setHeader("X-ClickHouse-Format", outcome.format);
  response.setHeader("X-ClickHouse-Summary", JSON.stringify(summaryOf(outcome)));
  if ("bytes" in outcome.body) {
    response.end(blocks ? inBlocks(outcome.body.bytes) : outcome.body.bytes);
    return;
  }
  const file = await open(outcome.body.file).catch((error: unknown) => {
    // The engine creates no file for a format that writes nothing.
    if (outcome.result.rowsRead === 0) return undefined;
    throw error;
  });
  if (!file) {
    response.end();
    return;
  }
  await unlink(outcome.body.file);
  if (outcome.encoding) response.setHeader("Content-Encoding", outcome.encoding);
  if (blocks) await pipeline(file.createReadStream(), toBlocks, response, { signal });
  else await pipeline(file.createReadStream(), response, { signal });
}

/** The statuses whose bodies JDBC reads as blocks, if it asked for blocks. */
const IN_BLOCKS: ReadonlySet<number> = new Set([400, 404, 500]);

export function sendException(
  response: ServerResponse,
  exception: ServerException,
  version: string,
  blocks: boolean,
): void {
  if (response.headersSent) {
    // The result was announced as complete: only a cut connection tells the client that it isn't.
    response.destroy();
    return;
  }
  response.statusCode = exception.status;
  response.setHeader("Content-Type", "text/plain; charset=UTF-8");
  response.setHeader("X-ClickHouse-Exception-Code", String(exception.code));
  const body = Buffer.from(exception.body(version));
  response.end(blocks && IN_BLOCKS.has(exception.status) ? inBlocks(body) : body);
}

/**
 * The counts are final, because the result is complete before the first byte is sent. Counts that the engine doesn't
 * report stay 0: rows and bytes read from storage, and rows written by `INSERT … SELECT`.
 */
function summaryOf({ result, wrote }: Outcome): Record<string, string> {
  const rows = String(result.rowsRead);
  const bytes = String(result.bytesRead);
  return {
    read_rows: wrote ? rows : "0",
    read_bytes: wrote ? bytes : "0",
    written_rows: wrote ? rows : "0",
    written_bytes: wrote ? bytes : "0",
    total_rows_to_read: "0",
    result_rows: rows,
    result_bytes: bytes,
    elapsed_ns: String(Math.round(result.elapsed * 1e9)),
  };
}
