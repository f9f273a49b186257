/**
 * Whether an answer is the answer to our query, as ClickHouse gave it. An empty interval's count is a plain `0`, and so is
 * what a cache, a stub or a half-configured gateway may send for any count: it would be committed as an empty batch.
 *
 * So the query asks for one more column. Its name is used only once, and its value is a checksum of that name and of the
 * row. An answer without rows has the name in its header. CRC32 needs no TLS library in the server, and is enough: this
 * guards against accidents, not against attackers.
 */
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";

export interface Sealed {
  readonly sql: string;
  /** The name of the column. */
  readonly seal: string;
}

export type NumberRow = Readonly<Record<string, string | number | null>>;

/** @param sql returns nothing but numbers. @param items more items of the SELECT, not part of the checksum */
export function sealed(sql: string, items: readonly string[] = []): Sealed {
  const seal = `_seal_${randomUUID().replaceAll("-", "")}`;
  const checksum = `CRC32(concat('${seal}', toString(tuple(asked.*)))) AS ${seal}`;
  return { sql: `SELECT ${[...items, "asked.*", checksum].join(", ")} FROM (\n${sql}\n) AS asked`, seal };
}

/**
 * The rows without their seals; undefined if a seal is missing or wrong.
 * @param columns names from the answer's header. @param outside names of `items`
 */
export function opened(
  seal: string,
  columns: readonly string[],
  rows: readonly NumberRow[],
  outside: readonly string[] = [],
): NumberRow[] | undefined {
  const within = columns.filter((name) => name !== seal && !outside.includes(name));
  const holds = (row: NumberRow): boolean =>
    row[seal] === crc32(`${seal}(${within.map((name) => row[name] ?? "NULL").join(",")})`);
  if (!columns.includes(seal) || !rows.every(holds)) return undefined;
  return rows.map(({ [seal]: _, ...row }) => row);
}
