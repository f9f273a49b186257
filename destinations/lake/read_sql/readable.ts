/** What an engine can't read of a lake whose path, format or columns have changed. Pure. */
import { messageOf, ReplayportError } from "../../../src/errors.ts";
import type { DataFolder } from "../../destination.ts";
import {
  dataGlob,
  demandS3,
  formatOf,
  ownFolder,
  type Reader,
  READERS,
  type ReadRequest,
  unreadable,
} from "./request.ts";

/** Compressed text files that each engine reads; Parquet is compressed inside, and read by all. */
const TEXT_COMPRESSION: Readonly<Record<Reader, readonly string[]>> = {
  duckdb: ["", ".gz", ".zst"],
  clickhouse: ["", ".gz", ".zst", ".br", ".lz4", ".snappy"],
  athena: ["", ".gz", ".zst"],
  trino: ["", ".gz", ".zst"],
  // Zstandard needs Hadoop's native library, which few installations have.
  spark: ["", ".gz"],
  snowflake: ["", ".gz", ".zst", ".br"],
  bigquery: ["", ".gz"],
};

/** Those that read a folder as one format, whatever the files' names. */
const BY_FOLDER: ReadonlySet<Reader> = new Set<Reader>(["athena", "trino"]);
/** Those that read a Parquet column only by the type that the table declares. */
const TYPED: ReadonlySet<Reader> = new Set<Reader>(["athena", "trino", "spark", "bigquery"]);
/** Those that count the columns of a CSV file and ignore its header. */
const POSITIONAL: ReadonlySet<Reader> = new Set<Reader>(["spark", "snowflake", "bigquery"]);
/** Those that read CSV by Hive's OpenCSVSerde. */
const NO_CSV: ReadonlySet<Reader> = new Set<Reader>(["athena", "trino"]);

/** Those that also read a folder of this machine. */
const LOCAL: ReadonlySet<Reader> = new Set<Reader>(["duckdb", "clickhouse", "spark"]);

export interface Readable {
  readonly folders: ReadRequest["folders"];
  /** What the statement doesn't read, or reads wrongly: one line each. */
  readonly notes: readonly string[];
}

/** @throws ReplayportError `lake.reader` where the engine can read nothing of the lake. */
export function readableFolders(request: ReadRequest): Readable {
  const { reader, follow } = request;
  if (follow === "manifests" && reader !== "duckdb" && reader !== "clickhouse") {
    throw unreadable(`the SQL for ${reader} cannot follow manifests`, "Read the folder, or use DuckDB or ClickHouse.");
  }
  const notes: string[] = [];
  const folders: DataFolder[] = [];
  let refused: unknown;
  for (const folder of request.folders) {
    try {
      demandReadable(request, folder);
      folders.push(folder);
    } catch (error) {
      refused ??= error;
      const hint = error instanceof ReplayportError ? ` ${error.hint}` : "";
      notes.push(`NOT READ: ${dataGlob(folder, request.export)}: ${messageOf(error)}.${hint}`);
    }
  }
  const [first, ...others] = folders;
  if (!first) throw refused;
  return { folders: [first, ...others], notes: [...notes, ...mixtures(request, folders)] };
}

/** For `status`: what any engine can't read, each sentence once. */
export function unreadableParts(request: Omit<ReadRequest, "reader" | "follow">): string[] {
  const said = new Map<string, Reader[]>();
  for (const reader of READERS) {
    if (request.options.type === "file" && !LOCAL.has(reader)) continue;
    for (const problem of mixtures({ ...request, reader }, request.folders)) {
      const text = problem.replace(reader, "");
      said.set(text, [...(said.get(text) ?? []), reader]);
    }
  }
  return [...said].map(([text, readers]) => readers.join(", ") + text);
}

function demandReadable(request: ReadRequest, folder: DataFolder): void {
  const { reader } = request;
  const format = formatOf(folder);
  const suffix = format === "parquet" ? "" : folder.extension.slice(`.${format}`.length);
  const readable = TEXT_COMPRESSION[reader];
  if (!readable.includes(suffix)) {
    const named = readable.map((each) => each || "none").join(", ");
    throw unreadable(
      `${reader} cannot read ${folder.extension} files`,
      `Export Parquet, or compress with one of: ${named}.`,
    );
  }
  if (format === "csv" && NO_CSV.has(reader)) {
    throw unreadable(
      `${reader} cannot read CSV files: it splits them at line breaks within a text, and takes a backslash for an escape`,
      "Export Parquet or JSON Lines.",
    );
  }
  if (reader === "duckdb" || reader === "clickhouse") return;
  if (!LOCAL.has(reader)) demandS3(request);
  ownFolder(request, folder);
}

function mixtures(request: ReadRequest, folders: readonly DataFolder[]): string[] {
  const { reader } = request;
  const notes = new Set<string>();
  const force = "Load those intervals again: replayport backfill --force.";
  for (const folder of folders) {
    const format = formatOf(folder);
    const glob = dataGlob(folder, request.export);
    if (BY_FOLDER.has(reader)) {
      const own = ownFolder(request, folder);
      const other = folders.find((one) => formatOf(one) !== format && ownFolder(request, one) === own);
      if (other) notes.add(`${reader} can't read ${own}/: it has files of different formats. ${force}`);
    }
    if (format === "parquet" && TYPED.has(reader)) {
      const names = request.columns.flatMap(({ name, type }) => {
        const types = folder.columns.flat().filter((one) => one.name === name);
        return types.some((one) => one.type !== type) ? [name] : [];
      });
      if (names.length > 0)
        notes.add(`${reader} can't read ${glob}: files have another type of ${names.join(", ")}. ${force}`);
    }
    if (format === "csv" && POSITIONAL.has(reader)) {
      const same = ({ name }: { readonly name: string }, at: number): boolean => request.columns[at]?.name === name;
      if (!folder.columns.every((columns) => columns.every(same)))
        notes.add(`${reader} reads wrong columns of ${glob}: it counts them, and they have changed. ${force}`);
    }
  }
  return [...notes];
}
