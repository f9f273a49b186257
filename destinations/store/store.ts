import type { LocalFile } from "../files/read_staged.ts";

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** By the store's clock. S3 gives whole seconds. */
  readonly modified: Date;
}

/** A file whose writing began and hasn't ended: a multipart upload, or a temporary file. Readers don't see it. */
export interface Unfinished {
  /** The key that it would get. */
  readonly key: string;
  readonly id: string;
  /** By the store's clock. */
  readonly begun: Date;
}

/** A file that is complete in the store and that nobody sees yet. */
export interface Prepared {
  readonly key: string;
  /** Makes it visible. May be repeated, also where the answer to an earlier try was lost. */
  publish(signal: AbortSignal): Promise<void>;
  /** Removes it, unless it was published. */
  discard(signal: AbortSignal): Promise<void>;
}

/**
 * What a lake needs of S3, of a disk or of whatever comes next. Keys are relative and use slashes. Every member rejects with
 * ReplayportError (`store.…`), or with `signal.reason`. test/destinations/store holds every store to this.
 */
export interface Store extends AsyncDisposable {
  readonly name: string;
  /** The key in messages: `s3://bucket/prefix/key`. */
  locate(key: string): string;
  /**
   * Objects whose key begins with the prefix, in no particular order: not every server sorts. Without unfinished ones. The
   * prefix must name the whole folder: a disk lists that folder, and those below it only if the prefix ends with a slash.
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /** The object's text; undefined if there is no such object. */
  read(key: string, signal: AbortSignal): Promise<string | undefined>;
  /**
   * The bytes from `start` up to `end`, not included; undefined if there is no such object. An object that ends earlier gives
   * the bytes there are: fewer than asked, or none. A caller that needs all of them checks the length.
   * @param end greater than `start`
   */
  readRange(key: string, start: number, end: number, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Copies a local file. It appears in full or not at all, and only if its bytes are those that were staged
   * (`stage.file_changed`). Replaces an object of that key.
   */
  putFile(key: string, file: LocalFile, signal: AbortSignal): Promise<void>;
  /**
   * Like `putFile`, but the object appears only when it's published. May share the file's bytes in place of copying them: nobody
   * may write to the file any more, only remove it.
   */
  prepare(key: string, file: LocalFile, signal: AbortSignal): Promise<Prepared>;
  /** Writes the object; replaces one of that key. `modified` as for createExclusive. */
  put(key: string, content: string | Uint8Array, modified: Date, signal: AbortSignal): Promise<void>;
  /**
   * Creates the object unless it exists. Neither a rejection nor `exists` says who created it: the client may have sent the
   * request twice. `modified` becomes the object's time if the store lets us choose.
   */
  createExclusive(
    key: string,
    content: string | Uint8Array,
    modified: Date,
    signal: AbortSignal,
  ): Promise<"created" | "exists">;
  /** Ignores objects that don't exist. */
  delete(keys: readonly string[], signal: AbortSignal): Promise<void>;
  /** Unfinished files of any process whose key begins with the prefix, which is used as in `list`. */
  unfinished(prefix: string, signal: AbortSignal): Promise<Unfinished[]>;
  /** Removes them. The process that still writes one of them fails. Ignores those that are gone. */
  discard(unfinished: readonly Omit<Unfinished, "begun">[], signal: AbortSignal): Promise<void>;
  /** Rejects if a large file couldn't be written here. May leave an object with this key. */
  checkLargeFiles(key: string, signal: AbortSignal): Promise<void>;
}
