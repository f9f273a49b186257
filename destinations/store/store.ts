import type { LocalFile } from "../files/read_staged.ts";

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** By the store's own clock: S3 gives whole seconds. */
  readonly modified: Date;
}

/** A file that somebody began to write: a multipart upload, or a temporary file. Readers do not see it. */
export interface Unfinished {
  /** The key that it would have got. */
  readonly key: string;
  readonly id: string;
}

/**
 * What a lake needs of S3 or of a disk. Keys are relative and use slashes. Every member rejects with ReplayportError, or
 * with `signal.reason`.
 */
export interface Store extends AsyncDisposable {
  readonly name: string;
  /** How the key is called in messages: `s3://bucket/prefix/key`. */
  locate(key: string): string;
  /**
   * Objects whose key begins with the prefix, in no particular order: not every server sorts. The prefix names the whole
   * folder.
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /** Undefined where there is no such object. */
  read(key: string, signal: AbortSignal): Promise<string | undefined>;
  /** Copies a local file: visible as a whole or not at all, and only where its bytes are those that were staged. */
  putFile(key: string, file: LocalFile, signal: AbortSignal): Promise<void>;
  /**
   * Creates the object unless there is one. A rejection leaves open whether it was created, unless its remedy is
   * `give-up`. `modified` is used where the store lets us choose.
   */
  createExclusive(key: string, text: string, modified: Date, signal: AbortSignal): Promise<"created" | "exists">;
  /** Those that do not exist are no error. */
  delete(keys: readonly string[], signal: AbortSignal): Promise<void>;
  /** Files of which the writing began and has not ended, by whomever, under keys that begin with the prefix. */
  unfinished(prefix: string, signal: AbortSignal): Promise<Unfinished[]>;
  /** Removes them; whoever still writes one of them fails. */
  discard(unfinished: readonly Unfinished[], signal: AbortSignal): Promise<void>;
  /** What `load` needs beyond the members above: rejects where a large file could not be written. */
  checkLargeFiles(key: string, signal: AbortSignal): Promise<void>;
}
