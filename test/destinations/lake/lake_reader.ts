/**
 * Reads a lake on disk as its printed SQL does, without a query engine: the rows of every visible data file, each file once,
 * since data files never change. The stories read after each step of a load, which DuckDB would take too long for.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { LEDGER } from "../../../destinations/lake/layout.ts";
import { decodeManifest, type Manifest } from "../../../destinations/lake/manifest.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";

/** A row of a file, in the shape of `Row`, with what else the order of reads needs. */
export interface StoredRow extends Row {
  readonly version: string;
  /** Microseconds since 1970. */
  readonly exported: number;
  /** False if the session doesn't match the export's `where`. */
  readonly matches: boolean;
}

/** What a listing shows. */
export interface Listed {
  /** Keys of the data files. */
  readonly data: readonly string[];
  readonly manifests: readonly Manifest[];
}

export class LakeReader {
  readonly #folder: string;
  readonly #rows = new Map<string, Promise<StoredRow[]>>();
  readonly #manifests = new Map<string, { readonly modified: number; readonly manifest: Manifest }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<Listed> {
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true });
    const keys = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#folder.length + 1))
      .sort();
    const manifests: Manifest[] = [];
    for (const key of keys.filter((one) => one.startsWith(LEDGER) && /\.\d{6}\.\w+\.?\w*\.json$/.test(one)))
      manifests.push(await this.#manifest(key));
    return { data: keys.filter((key) => !key.startsWith(LEDGER)), manifests };
  }

  /** The row of each session that counts, by key. */
  async current(data: readonly string[]): Promise<StoredRow[]> {
    const rows = new Map<string, StoredRow>();
    for (const file of data) {
      for (const row of await this.rowsOf(file)) {
        const other = rows.get(row.key);
        if (!other || compareRows(row, other) > 0) rows.set(row.key, row);
      }
    }
    return [...rows.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  async rowsOf(file: string): Promise<readonly StoredRow[]> {
    let rows = this.#rows.get(file);
    if (!rows) {
      rows = this.#read(file);
      this.#rows.set(file, rows);
    }
    return await rows;
  }

  async #manifest(key: string): Promise<Manifest> {
    const path = join(this.#folder, key);
    const modified = (await stat(path)).mtimeMs;
    const known = this.#manifests.get(key);
    if (known?.modified === modified) return known.manifest;
    const manifest = decodeManifest(await readFile(path, "utf8"), key);
    this.#manifests.set(key, { modified, manifest });
    return manifest;
  }

  async #read(file: string): Promise<StoredRow[]> {
    const bytes = await readFile(join(this.#folder, file));
    const objects = file.endsWith(".parquet") ? await parquetObjects(bytes) : jsonObjects(bytes);
    return objects.map(storedRow);
  }
}

/** As src/models/reading_order.ts says. */
export function compareRows(one: StoredRow, other: StoredRow): number {
  if (one.version !== other.version) return one.version < other.version ? -1 : 1;
  return one.exported - other.exported;
}

async function parquetObjects(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const file = {
    byteLength: bytes.length,
    slice: (start: number, end = bytes.length) => new Uint8Array(bytes.subarray(start, end)).buffer,
  };
  const micros = (value: bigint): bigint => value;
  const parsers = { timestampFromMicroseconds: micros } as never;
  const compressors = {
    ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)),
  };
  return await parquetReadObjects({ file, parsers, compressors });
}

function jsonObjects(bytes: Buffer): Record<string, unknown>[] {
  const lines = gunzipSync(bytes).toString().split("\n");
  return lines.flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Record<string, unknown>]));
}

function storedRow(object: Record<string, unknown>): StoredRow {
  const values = FIELDS.map(({ field, column }) => [field, plain(object[column.name], column.type)]);
  return {
    ...Object.fromEntries(values),
    key: `${String(object["team_id"])}/${String(object["session_id"])}`,
    version: String(object["_version"]),
    exported: plain(object["_exported_at"], "timestamp") as number,
    matches: object["_matches"] !== false,
  };
}

/** Numbers, and times in microseconds, as numbers. A column that the file lacks is NULL. */
function plain(value: unknown, type: string): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number(value);
  return type === "timestamp" && typeof value === "string" ? microsOf(value) : value;
}

/** `2026-10-01T00:00:00.000001Z` */
function microsOf(text: string): number {
  const [second = "", fraction = ""] = text.replace("Z", "").split(".");
  return Date.parse(`${second}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
}
