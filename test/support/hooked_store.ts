import type { LocalFile } from "../../destinations/files/read_staged.ts";
import type { Prepared, Store, StoredObject, Unfinished } from "../../destinations/store/store.ts";

export type Operation =
  | "list"
  | "read"
  | "readRange"
  | "putFile"
  | "prepare"
  | "publish"
  | "put"
  | "createExclusive"
  | "delete"
  | "unfinished"
  | "discard";

export interface Hooks {
  /** Carries out each operation, or doesn't: `crash.step`. */
  readonly around?: <Answer>(step: string, work: () => Promise<Answer>) => Promise<Answer>;
  /** Awaited before the store is asked; may reject in its place. `step` counts the operations, from 1. */
  readonly before?: (operation: Operation, key: string, step: number) => Promise<void>;
  /** Awaited when the store has done it; may reject, as if the answer were lost. */
  readonly after?: (operation: Operation, key: string, step: number) => Promise<void>;
}

/** A store between whose operations a test can step. */
export class HookedStore implements Store {
  readonly name: string;
  readonly #store: Store;
  readonly #hooks: Hooks;
  readonly #reorder: (listed: StoredObject[]) => StoredObject[];
  #steps = 0;

  /** @param reorder gives each listing another order, as a server may that doesn't sort */
  constructor(store: Store, hooks: Hooks, reorder = (listed: StoredObject[]): StoredObject[] => listed) {
    this.name = store.name;
    this.#reorder = reorder;
    this.#store = store;
    this.#hooks = hooks;
  }

  locate(key: string): string {
    return this.#store.locate(key);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    const listed = await this.#hooked("list", prefix, () => Array.fromAsync(this.#store.list(prefix, signal)));
    yield* this.#reorder(listed);
  }

  read(key: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#hooked("read", key, () => this.#store.read(key, signal));
  }

  readRange(key: string, start: number, end: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#hooked("readRange", key, () => this.#store.readRange(key, start, end, signal));
  }

  putFile(key: string, file: LocalFile, signal: AbortSignal): Promise<void> {
    return this.#hooked("putFile", key, () => this.#store.putFile(key, file, signal));
  }

  async prepare(key: string, file: LocalFile, signal: AbortSignal): Promise<Prepared> {
    const prepared = await this.#hooked("prepare", key, () => this.#store.prepare(key, file, signal));
    return {
      key,
      publish: (until) => this.#hooked("publish", key, () => prepared.publish(until)),
      discard: (until) => this.#hooked("discard", key, () => prepared.discard(until)),
    };
  }

  put(key: string, text: string | Uint8Array, modified: Date, signal: AbortSignal): Promise<void> {
    return this.#hooked("put", key, () => this.#store.put(key, text, modified, signal));
  }

  createExclusive(
    key: string,
    text: string | Uint8Array,
    modified: Date,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    return this.#hooked("createExclusive", key, () => this.#store.createExclusive(key, text, modified, signal));
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    // One at a time, so that a test can stop between any two.
    for (const key of keys) await this.#hooked("delete", key, () => this.#store.delete([key], signal));
  }

  unfinished(prefix: string, signal: AbortSignal): Promise<Unfinished[]> {
    return this.#hooked("unfinished", prefix, () => this.#store.unfinished(prefix, signal));
  }

  discard(unfinished: readonly Omit<Unfinished, "begun">[], signal: AbortSignal): Promise<void> {
    return this.#hooked("discard", unfinished[0]?.key ?? "", () => this.#store.discard(unfinished, signal));
  }

  checkLargeFiles(key: string, signal: AbortSignal): Promise<void> {
    return this.#store.checkLargeFiles(key, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  async #hooked<Answer>(operation: Operation, key: string, work: () => Promise<Answer>): Promise<Answer> {
    this.#steps += 1;
    const step = this.#steps;
    const hooked = async (): Promise<Answer> => {
      await this.#hooks.before?.(operation, key, step);
      const answer = await work();
      await this.#hooks.after?.(operation, key, step);
      return answer;
    };
    return await (this.#hooks.around?.(`${operation} ${key}`, hooked) ?? hooked());
  }
}
