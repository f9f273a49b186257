/** Does for real, on a small scale, all that a load does, and says which step did not work. */
import { randomBytes } from "node:crypto";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import { ownDeadline, type LakeContext } from "./context.ts";
import { LEDGER, manifestPrefix } from "./layout.ts";
import { renderPath } from "./path_template.ts";

export async function check(lake: LakeContext, signal: AbortSignal): Promise<void> {
  const { store, now } = lake;
  const name = `check-${randomBytes(6).toString("hex")}`;
  // Beside the manifests, not among them: nothing but manifests lies in the export's own folder.
  const probe = `${LEDGER}/${name}.${lake.export}.json`;
  const data = `${renderPath(lake.path, lake.export, { start: now(), end: now() })}/${name}.tmp`;
  const text = `${JSON.stringify({ replayport: lake.version })}\n`;

  const step = async <Answer>(what: string, work: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw named(what, error);
    }
  };

  try {
    const first = await step("writing a manifest", () => store.createExclusive(probe, text, now(), signal));
    if (first === "exists") throw broken(lake, "a name that nobody used is said to exist");
    const read = await step("reading it back", () => store.read(probe, signal));
    if (read !== text) throw broken(lake, "what was written is not what is read back");
    const second = await step("writing it again, which must be refused", () =>
      store.createExclusive(probe, text, now(), signal),
    );
    if (second === "created") throw unconditional(lake);
    await step("writing a data file", () => store.checkLargeFiles(data, signal));
    const listed = await step("listing manifests", async () => {
      // The export's own ledger has to be readable too, with whatever it holds.
      for await (const _ of store.list(manifestPrefix(lake.export), {}, signal)) break;
      return await Array.fromAsync(store.list(`${LEDGER}/${name}.`, {}, signal));
    });
    if (listed.length !== 1) throw broken(lake, "what was written is not listed");
    await step("listing data files", () => Array.fromAsync(store.list(data, {}, signal)));
    await step("removing what the check wrote", () => store.delete([probe, data], signal));
    const gone = await step("looking for what was removed", () => store.read(probe, signal));
    if (gone !== undefined) throw broken(lake, "what was removed is still there");
  } catch (error) {
    await store.delete([probe, data], ownDeadline()).catch(() => undefined);
    throw error;
  }
}

function named(step: string, error: unknown): unknown {
  if (!(error instanceof ReplayportError)) return error;
  const { code, remedy, hint, retryAfterMs } = error;
  return new ReplayportError(`the lake's check failed at ${step}: ${messageOf(error)}`, {
    code,
    remedy,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  });
}

function unconditional({ store }: LakeContext): ReplayportError {
  return new ReplayportError(`${store.name} ignores If-None-Match: it let the same name be created twice`, {
    code: "lake.no_conditional_writes",
    remedy: "give-up",
    hint: "Two attempts of one batch could both win there. Use S3, or a server with conditional writes.",
  });
}

function broken({ store }: LakeContext, detail: string): ReplayportError {
  return new ReplayportError(`${store.name} does not behave as a store: ${detail}`, {
    code: "lake.not_consistent",
    remedy: "give-up",
    hint: "A lake needs a store that shows at once what was written. Look for a cache or a mirror in between.",
  });
}
