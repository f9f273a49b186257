import { ServerException } from "./exception.ts";

/** What an answer without FORMAT and without `default_format` comes in, over HTTP. */
export const DEFAULT_FORMAT = "TabSeparated";

/** @throws ServerException where the text cannot be the name of a format, and would be read as SQL */
export function formatName(text: string): string {
  if (/^\w+$/.test(text)) return text;
  throw new ServerException(73, "UNKNOWN_FORMAT", `Unknown format ${text}.`);
}

/** The Content-Type that ClickHouse gives a format. */
export function contentTypeOf(format: string): string {
  const name = format.toLowerCase();
  if (/^json.*eachrow/.test(name)) return "application/x-ndjson; charset=UTF-8";
  if (name.startsWith("json")) return "application/json; charset=UTF-8";
  if (name.startsWith("csv")) return `text/csv; charset=UTF-8; header=${header(name)}`;
  if (/^(tsv|tabseparated)/.test(name)) return `text/tab-separated-values; charset=UTF-8`;
  if (/^(parquet|arrow|orc|avro|native|rowbinary|msgpack|npy|protobuf)/.test(name)) return "application/octet-stream";
  return "text/plain; charset=UTF-8";
}

function header(name: string): "present" | "absent" {
  return name.includes("withnames") ? "present" : "absent";
}
