/** Does everything that a load does, on a small scale, and says which step failed. */
import { randomBytes } from "node:crypto";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { checkSteps } from "../check.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { LakeContext } from "./context.ts";
import { LEDGER, manifestPrefix } from "./layout.ts";
import { refuseForeign } from "./owner.ts";
import { renderPath } from "./path_template.ts";

export async function check(lake: LakeContext, signal: AbortSignal): Promise<void> {
  const { store, now } = lake;
  const name = `check-${randomBytes(6).toString("hex")}`;
  // Beside the exports' folders of manifests, which hold nothing but manifests.
  const probe = `${LEDGER}/${name}.${lake.export}.json`;
  const data = `${renderPath(lake.path, lake.export, { start: now(), end: now() })}/${name}.tmp`;
  const text = `${JSON.stringify({ replayport: lake.version })}\n`;
  const step = checkSteps("the lake's check", signal);
  const create = async () => await store.createExclusive(probe, text, now(), signal);
  await step("asking whose lake it is", () => refuseForeign(lake, signal));
  try {
    const first = await step("writing a manifest", create);
    if (first === "exists") throw inconsistent(lake, "it says that a new name exists already");
    const read = await step("reading it back", () => store.read(probe, signal));
    if (read !== text) throw inconsistent(lake, "what it returns isn't what was written");
    const second = await step("writing it again, which must be refused", create);
    if (second === "created") throw unconditional(lake);
    await step("writing a data file", () => store.checkLargeFiles(data, signal));
    const listed = await step("listing manifests", async () => {
      // The export's own manifests must be readable too, whatever is there.
      for await (const _ of store.list(manifestPrefix(lake.export), signal)) break;
      return await Array.fromAsync(store.list(`${LEDGER}/${name}.`, signal));
    });
    if (listed.length !== 1) throw inconsistent(lake, "it doesn't list what was written");
    await step("listing data files", () => Array.fromAsync(store.list(data, signal)));
    await step("removing what the check wrote", () => store.delete([probe, data], signal));
    const gone = await step("reading what was removed", () => store.read(probe, signal));
    if (gone !== undefined) throw inconsistent(lake, "it still has what was removed");
  } catch (error) {
    await store.delete([probe, data], cleanupDeadline()).catch(() => undefined);
    throw error;
  }
}

function unconditional({ store }: LakeContext): ReplayportError {
  return new ReplayportError(
    `${store.name} ignores If-None-Match: it created the same name twice`,
    giveUp(
      "lake.no_conditional_writes",
      "Two attempts of one batch could both win there. Use S3, or a server with conditional writes.",
    ),
  );
}

function inconsistent({ store }: LakeContext, detail: string): ReplayportError {
  return new ReplayportError(
    `${store.name} isn't consistent: ${detail}`,
    giveUp(
      "lake.not_consistent",
      "A lake needs a store that shows a write at once. Look for a cache or a mirror in between.",
    ),
  );
}
