/** A store whose process is killed: from its nth call on nothing reaches the disk any more, not even the cleaning up. */
import type { Store } from "../../../destinations/store/store.ts";

class Killed extends Error {}

export function mortal(store: Store, diesAt: number): Store {
  let calls = 0;
  const alive = (): void => {
    calls += 1;
    if (calls > diesAt) throw new Killed(`killed at call ${diesAt}`);
  };
  return {
    name: store.name,
    locate: (key) => store.locate(key),
    async *list(...args) {
      alive();
      yield* store.list(...args);
    },
    read: async (...args) => (alive(), await store.read(...args)),
    readRange: async (...args) => (alive(), await store.readRange(...args)),
    putFile: async (...args) => (alive(), await store.putFile(...args)),
    createExclusive: async (...args) => (alive(), await store.createExclusive(...args)),
    delete: async (...args) => (alive(), await store.delete(...args)),
    unfinished: async (...args) => (alive(), await store.unfinished(...args)),
    discard: async (...args) => (alive(), await store.discard(...args)),
    checkLargeFiles: async (...args) => (alive(), await store.checkLargeFiles(...args)),
    [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
  };
}
