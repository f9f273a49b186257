import { ServerException } from "./exception.ts";

/** The format of answers over HTTP without FORMAT and `default_format`. */
export const DEFAULT_FORMAT = "TabSeparated";

/** @throws ServerException if the text can't be the name of a format: it would be executed as SQL */
export function formatName(text: string): string {
  if (/^\w+$/.test(text)) return text;
  throw new ServerException(73, "UNKNOWN_FORMAT", `Unknown format ${text}.`);
}

export function isBinary(format: string): boolean {
  return /^(parquet|arrow|orc|avro|native|rowbinary|msgpack|npy|protobuf|capnproto|bson|raw|buffers)/i.test(format);
}

/** ClickHouse's Content-Type for a format. */
export function contentTypeOf(format: string): string {
  const name = format.toLowerCase();
  if (/^json.*eachrow/.test(name)) return "application/x-ndjson; charset=UTF-8";
  if (name.startsWith("json")) return "application/json; charset=UTF-8";
  if (name.startsWith("csv"))
    return `text/csv; charset=UTF-8; header=${name.includes("withnames") ? "present" : "absent"}`;
  if (/^(tsv|tabseparated)/.test(name)) return `text/tab-separated-values; charset=UTF-8`;
  if (isBinary(name)) return "application/octet-stream";
  return "text/plain; charset=UTF-8";
}
