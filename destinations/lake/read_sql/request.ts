import { resolve } from "node:path";
import { giveUp, ReplayportError } from "../../../src/errors.ts";
import type { Column } from "../../../src/models/column.ts";
import type { DataFolder, FileFormat } from "../../destination.ts";
import { manifestPrefix } from "../layout.ts";
import type { LakeOptions, S3LakeOptions } from "../options.ts";
import { globPath } from "../path_template.ts";

export const READERS = ["duckdb", "clickhouse", "athena", "trino", "spark", "snowflake", "bigquery"] as const;
export type Reader = (typeof READERS)[number];

/**
 * - `folder`: all data files that are there. Cheap, and each row is right; a load that is under way or was killed may show
 *   some of its rows before the rest.
 * - `manifests`: only files that a manifest names: a batch is seen whole or not at all. Costs one GET for each batch.
 *   DuckDB and ClickHouse only.
 */
export type Follow = "folder" | "manifests";

export interface ReadRequest {
  readonly reader: Reader;
  readonly options: LakeOptions;
  readonly export: string;
  /** Where files are, and of which kind. More than one if the path or the format has changed. */
  readonly folders: readonly [DataFolder, ...DataFolder[]];
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** Default `folder`. */
  readonly follow?: Follow;
  /** The name of a view for the current rows. Default: none, or the export's name where the statement has to make one. */
  readonly view?: string | undefined;
}

/** What comes before a SELECT, if it's to be a view. */
export function viewOf({ view }: Pick<ReadRequest, "view">, identifier: (name: string) => string): string {
  return view === undefined ? "" : `CREATE OR REPLACE VIEW ${identifier(view)} AS\n`;
}

export function unreadable(message: string, hint: string): ReplayportError {
  return new ReplayportError(message, giveUp("lake.reader", hint));
}

export function formatOf({ extension }: Pick<DataFolder, "extension">): FileFormat {
  return extension === ".parquet" ? "parquet" : extension.startsWith(".csv") ? "csv" : "jsonl";
}

/** @throws ReplayportError where the lake is a folder of this machine, which a service cannot see. */
export function demandS3({ reader, options }: Pick<ReadRequest, "reader" | "options">): S3LakeOptions {
  switch (options.type) {
    case "s3":
      return options;
    case "file":
      throw unreadable(
        `${reader} can't read the folder ${options.path}`,
        "Read it with DuckDB or ClickHouse, or use S3.",
      );
    default:
      return options satisfies never;
  }
}

/** `s3://bucket/prefix` or the absolute folder, without a slash at its end. */
export function rootOf(options: LakeOptions): string {
  switch (options.type) {
    case "s3":
      return `s3://${bucketAndPrefix(options)}`;
    case "file":
      return resolve(options.path);
    default:
      return options satisfies never;
  }
}

/** A value for each type of store. A new store doesn't compile until it has one everywhere. */
export type ByStore<Value> = { readonly [Type in LakeOptions["type"]]: Value };

/** `bucket/prefix` */
export function bucketAndPrefix({ bucket, prefix }: S3LakeOptions): string {
  return [bucket, (prefix ?? "").replaceAll(/^\/+|\/+$/g, "")].filter((part) => part !== "").join("/");
}

/** All data files, and neither manifests nor temporary ones. Relative to the root. */
export function dataGlob({ path, extension }: DataFolder, exportName: string): string {
  return `${folderGlob(path, exportName)}/*${extension}`;
}

/** @param path a template, or the folder itself */
function folderGlob(path: string, exportName: string): string {
  return path.includes("{export}") ? globPath(path, exportName) : path;
}

export function manifestGlob(request: ReadRequest): string {
  return `${manifestPrefix(request.export)}*.json`;
}

const MARK = "\uE000";

/** The folder that holds all files of the export and of no other, relative to the root. */
export function ownFolder({ reader, export: exportName }: ReadRequest, { path }: DataFolder): string {
  const own: string[] = [];
  for (const part of folderGlob(path, exportName).split("/")) {
    if (part.includes("*")) break;
    own.push(part);
  }
  // A name that no export has shows where in the path the export's own stands.
  const marked = folderGlob(path, MARK).split("/").slice(0, own.length);
  if (path.includes("{export}") && !marked.some((part) => part.includes(MARK))) {
    throw unreadable(
      `${reader} reads whole folders, and the path ${path} gives no folder to this export alone`,
      "Put {export} in front of the first of {year}, {month}, {day} and {hour}.",
    );
  }
  return own.join("/");
}
