/** Somebody who reads the target again and again. Never may a session be missing that was there, or be there twice, or older. */
import assert from "node:assert/strict";
import type { ChaosTarget } from "../support/chaos_target.ts";
import type { Row } from "../support/replay_rows.ts";
import { isAsFull } from "./story_source.ts";

/** By which the clocks of two workers may differ, so that one removes a file a little too early. */
const CLOCKS_MS = 5 * 60_000;

export class StoryReader {
  /** What was seen last, by key. */
  #seen = new Map<string, Row>();
  /** The data files that were there, and of those that a load has found to be superfluous, since when. */
  #files: readonly string[] = [];
  /** Keys whose file was removed by somebody. They may still be seen in a file that it had replaced, which goes rightly. */
  readonly #lost = new Set<string>();
  readonly #removable = new Map<string, number>();
  /** One look at a time, although several steps of a load may end at once. */
  #looking: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  readonly #target: ChaosTarget;
  readonly #now: () => number;
  readonly #keepReplacedMs: number;

  constructor(target: ChaosTarget, now: () => number, keepReplacedMs: number) {
    this.#target = target;
    this.#now = now;
    this.#keepReplacedMs = keepReplacedMs;
  }

  /** To be called in the middle of a load, which may swallow errors: `look` then rejects with this one. */
  async glance(): Promise<void> {
    const look = this.#looking.then(async () => await this.#look());
    this.#looking = look.catch((error: unknown) => {
      this.#failure ??= error as Error;
    });
    await this.#looking;
  }

  async look(): Promise<void> {
    await this.glance();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** After something that takes rows away on purpose. @param lost keys of a file that a manifest names */
  async forget(lost: readonly string[] = []): Promise<void> {
    for (const key of lost) this.#lost.add(key);
    this.#seen.clear();
    this.#files = [];
    await this.look();
  }

  async #look(): Promise<void> {
    await this.#checkFiles();
    const rows = await this.#target.rows();
    const now = new Map(rows.map((row) => [row.key, row]));
    assert.equal(now.size, rows.length, `a session is there twice: ${rows.map(({ key }) => key).join()}`);
    for (const [key, before] of this.#seen) {
      if (this.#lost.has(key)) continue;
      const after = now.get(key);
      assert.ok(after, `${key} was there and is gone`);
      const isAsNew = place(after) >= place(before) && isAsFull(after, before);
      assert.ok(isAsNew, `${JSON.stringify(after)} is older than ${JSON.stringify(before)}`);
    }
    this.#seen = now;
  }

  /** A query that began before a file was replaced still finds it for some time. */
  async #checkFiles(): Promise<void> {
    if (!this.#target.files) return;
    const { data, removable } = await this.#target.files.list();
    for (const [file, since] of removable) {
      this.#removable.set(file, Math.min(since.getTime(), this.#removable.get(file) ?? Number.POSITIVE_INFINITY));
    }
    const there = new Set(data);
    for (const file of this.#files) {
      const until = (this.#removable.get(file) ?? Number.NaN) + this.#keepReplacedMs - CLOCKS_MS;
      assert.ok(there.has(file) || until <= this.#now(), `${file} was there and is gone`);
    }
    this.#files = data;
  }
}

/** Sorts as reads do. Warehouses don't say when a row was read. */
function place({ version, exported = "" }: Row): string {
  return `${String(version)} ${String(exported)}`;
}
