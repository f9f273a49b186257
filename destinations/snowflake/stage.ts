/** Where files are between this machine and COPY: an internal stage, filled by PUT. */
import { ReplayportError, retry } from "../../src/errors.ts";
import { type LocalFile, readStaged } from "../files/read_staged.ts";
import { snowflake, sqlName } from "../sql/snowflake.ts";
import { schemaPath, type Names } from "./names.ts";
import { reaching } from "./ddl.ts";
import type { Session, Statement } from "./statement.ts";

/** Folders are relative to the stage and end with a slash. */
export interface Stage extends AsyncDisposable {
  /** A folder as COPY's FROM names it. */
  location(folder: string): string;
  /** The grants that COPY needs. */
  readonly grants: readonly string[];
  put(folder: string, name: string, file: LocalFile, signal: AbortSignal): Promise<void>;
  /** The paths in a folder. */
  list(folder: string, signal: AbortSignal): Promise<string[]>;
  /** Removes everything in a folder, which may be empty. */
  remove(folder: string, signal: AbortSignal): Promise<void>;
}

export type OpenStage = (session: Session) => Stage;

const HASH_PART_BYTES = 1024 * 1024;

export function internalStage(names: Names, stage: string | undefined): OpenStage {
  const root = stage === undefined ? "@~" : `@${schemaPath(names)}.${sqlName(stage)}`;
  const grants =
    stage === undefined ? [] : [...reaching(names, schemaPath(names)), `READ, WRITE ON STAGE ${root.slice(1)}`];
  return (session) => new InternalStage(session, root, grants);
}

/**
 * Paths are in single quotes, as Snowflake requires if they aren't plain. The driver itself runs PUT: for files of this
 * machine, several at a time on one session.
 * https://docs.snowflake.com/en/sql-reference/sql/put
 */
class InternalStage implements Stage {
  readonly grants: readonly string[];
  readonly #session: Session;
  readonly #root: string;

  constructor(session: Session, root: string, grants: readonly string[]) {
    this.#session = session;
    this.#root = root;
    this.grants = grants;
  }

  location(folder: string): string {
    return snowflake.string(`${this.#root}/${folder}`);
  }

  /** Reads the file first and checks its hash: the driver would upload whatever it finds. */
  async put(folder: string, name: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    for await (const _ of readStaged(file, HASH_PART_BYTES, signal)) signal.throwIfAborted();
    const statement = putFile(this.location(folder), file.path, this.grants);
    const [result] = await this.#session.execute(statement, signal);
    // If an upload fails, the driver resolves with an empty status, or with the reason in `message`.
    if (result?.["status"] === "UPLOADED") return;
    throw new ReplayportError(
      `uploading ${name} to ${this.#root} failed: ${textOf(result?.["message"])}`,
      retry(
        "snowflake.upload",
        "Check that this machine can reach the storage behind the stage: SELECT SYSTEM$ALLOWLIST() names its hosts.",
      ),
    );
  }

  async list(folder: string, signal: AbortSignal): Promise<string[]> {
    const rows = await this.#session.execute(
      { sql: `LIST ${this.location(folder)}`, doing: "listing the stage", grants: this.grants },
      signal,
    );
    return rows.map((row) => textOf(row["name"]));
  }

  async remove(folder: string, signal: AbortSignal): Promise<void> {
    await this.#session.execute(
      { sql: `REMOVE ${this.location(folder)}`, doing: "removing staged files", grants: this.grants },
      signal,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    // It has nothing but its session.
    return Promise.resolve();
  }
}

/**
 * OVERWRITE, because the driver repeats a PUT whose answer was lost. SOURCE_COMPRESSION is left to detection: the driver
 * (3.3.0) fails on NONE, and with AUTO_COMPRESS off it copies the bytes as they are, whatever it detects.
 */
export function putFile(location: string, path: string, grants: readonly string[]): Statement {
  const local = snowflake.string(`file://${path.replaceAll("\\", "/")}`);
  return {
    sql: `PUT ${local} ${location} AUTO_COMPRESS = FALSE OVERWRITE = TRUE`,
    doing: "uploading a staged file",
    grants,
    uploads: true,
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
