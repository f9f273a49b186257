import type { IncomingMessage } from "node:http";
import { ServerException } from "./exception.ts";

/** What a request says about its query, apart from a body. */
export interface QueryRequest {
  readonly query: string;
  readonly settings: ReadonlyMap<string, string>;
  /** Values in ClickHouse's escaped form, as in the URL. */
  readonly params: ReadonlyMap<string, string>;
  readonly database: string | undefined;
  readonly defaultFormat: string | undefined;
  readonly queryId: string | undefined;
  /** Whether the client reads Native as in the TCP protocol: `client_protocol_version`. */
  readonly nativeProtocol: boolean;
  readonly inSession: boolean;
  /** Compress the answer if the client accepts it. */
  readonly compress: boolean;
  /** Answer in blocks of ClickHouse's own compression: `compress=1`. */
  readonly blocks: boolean;
  readonly compressionLevel: number | undefined;
  /** Milliseconds between signs of life while a query runs. Undefined: none. */
  readonly progressMs: number | undefined;
}

/** Parameters of the HTTP interface. Every other one in the URL is a setting of the query. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(
  `query query_id database default_format user password role quota_key stacktrace
  session_id session_timeout session_check close_session client_protocol_version framing
  compress decompress buffer_size wait_end_of_query http_response_buffer_size
  enable_http_compression http_zlib_compression_level
  send_progress_in_http_headers http_headers_progress_interval_ms
  cancel_http_readonly_queries_on_client_close http_wait_end_of_query
  http_native_compression_disable_checksumming_on_decompress http_write_exception_in_output_format
  add_http_cors_header http_response_headers http_max_request_param_data_size`.split(/\s+/),
);

/**
 * Reads the URL, the headers and the fields of a form.
 *
 * @throws ServerException for a body in native compression (`decompress=1`), and for a session that must exist
 *   (`session_check=1`): none does
 */
export function readRequest(url: URL, headers: IncomingMessage["headers"], form: URLSearchParams): QueryRequest {
  const all = [...url.searchParams, ...form];
  const value = (name: string): string | undefined => all.findLast(([key]) => key === name)?.[1];
  const on = (name: string): boolean => ["1", "true"].includes(value(name) ?? "");
  if (on("decompress")) {
    const message =
      "A body in ClickHouse's own compression (decompress=1) is not supported: send it as it is, or with Content-Encoding: gzip " +
      "(JDBC: decompress=false).";
    throw new ServerException(48, "NOT_IMPLEMENTED", message);
  }
  const session = value("session_id") ?? "";
  if (session !== "" && on("session_check")) {
    throw new ServerException(
      372,
      "SESSION_NOT_FOUND",
      `Session ${session} not found: no session outlives its request.`,
    );
  }
  const header = (name: string): string | undefined => headers[name]?.toString();
  const parameters = all.filter(([name]) => name.startsWith("param_"));
  const settings = all.filter(([name]) => !name.startsWith("param_") && !NOT_SETTINGS.has(name));
  const level = value("http_zlib_compression_level");
  const interval = Number(value("http_headers_progress_interval_ms") ?? 100);
  return {
    query: value("query") ?? "",
    settings: new Map(settings),
    params: new Map(parameters.map(([name, text]) => [name.slice("param_".length), text])),
    database: value("database") ?? header("x-clickhouse-database"),
    defaultFormat: value("default_format") ?? header("x-clickhouse-format"),
    queryId: value("query_id"),
    nativeProtocol: !/^0*$/.test(value("client_protocol_version") ?? ""),
    inSession: session !== "",
    // As in ClickHouse, compress=1 counts if both are asked for.
    compress: on("enable_http_compression") && !on("compress"),
    blocks: on("compress"),
    compressionLevel: level === undefined ? undefined : Number(level),
    progressMs: on("send_progress_in_http_headers")
      ? Math.max(Number.isFinite(interval) ? interval : 100, 10)
      : undefined,
  };
}

// As ClickHouse's http_max_request_param_data_size allows.
const LONGEST_FORM = 10 * 1024 * 1024;

/** The fields of a `multipart/form-data` body. Undefined for any other body. */
export async function readForm(
  contentType: string | undefined,
  body: AsyncIterable<Buffer>,
): Promise<URLSearchParams | undefined> {
  if (contentType === undefined || !/^multipart\/form-data\b/i.test(contentType)) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LONGEST_FORM) throw new ServerException(229, "QUERY_IS_TOO_LARGE", "A form has at most 10 MiB.");
    chunks.push(chunk);
  }
  const fields = new URLSearchParams();
  const form = await new Response(Buffer.concat(chunks), { headers: { "content-type": contentType } }).formData();
  for (const [name, value] of form) {
    if (typeof value === "string") fields.append(name, value);
    else throw new ServerException(48, "NOT_IMPLEMENTED", "Files in a form (external tables) are not supported.");
  }
  return fields;
}
