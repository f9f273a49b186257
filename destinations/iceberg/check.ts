/** Does everything that a load does, on a small scale, and says which step failed. */
import { randomBytes } from "node:crypto";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { commitBody, type LoadedTable, type TableId } from "../catalog/catalog.ts";
import { checkSteps } from "../check.ts";
import { cleanupDeadline } from "../cleanup.ts";
import type { IcebergContext } from "./context.ts";
import { currentLedger } from "./ledger.ts";
import { folders } from "./names.ts";
import { readState } from "./snapshot.ts";
import { loadTable, refuseView } from "./tables.ts";

const PROBE_PROPERTY = "replayport.check";

export async function check(context: IcebergContext, signal: AbortSignal): Promise<void> {
  const { catalog, table } = context;
  const step = checkSteps("the Iceberg check", signal);
  const namespace = table.namespace.join(".");
  await step("reading the catalog's config", () => catalog.checkConfig(signal));
  const exists = await step(`reading namespace ${namespace}`, () => catalog.namespaceExists(table.namespace, signal));
  const made = exists
    ? "exists"
    : await step(`creating namespace ${namespace}`, () => catalog.createNamespace(table.namespace, signal));
  const name = `replayport_check_${randomBytes(6).toString("hex")}`;
  const probe: TableId = { namespace: table.namespace, name };
  let dropped = false;
  try {
    const loaded = await step("loading the table", async () => {
      const found = await loadTable(context, signal);
      if (!found) await refuseView(context, signal);
      return found;
    });
    if (loaded) await step("reading the table", () => checkTable(context, loaded, signal));
    await step(`creating a probe table, ${namespace}.${name}`, () => createProbe(context, probe, signal));
    const created = await step("loading the probe table", () => catalog.loadTable(probe, signal));
    if (!created) throw inconsistent(context, "it doesn't have a table that it created");
    await step("committing to the probe table", () => commitProbe(context, probe, created, signal));
    // Where the table itself is, permissions may differ.
    await checkStorage(context, loaded ?? created, name, step, signal);
    await step("dropping the probe table", () => catalog.dropTable(probe, signal));
    dropped = true;
  } finally {
    const deadline = cleanupDeadline();
    if (!dropped) await catalog.dropTable(probe, deadline).catch(() => undefined);
    if (made === "created") await catalog.dropNamespace(table.namespace, deadline).catch(() => undefined);
  }
}

async function checkTable(context: IcebergContext, loaded: LoadedTable, signal: AbortSignal): Promise<void> {
  const { storage, metadata } = await readState(context, loaded, signal);
  await currentLedger(context, storage, metadata, signal);
}

async function createProbe({ catalog, location }: IcebergContext, probe: TableId, signal: AbortSignal): Promise<void> {
  const fields = [{ id: 1, name: "probe", required: false, type: "long" }];
  const at =
    location === undefined ? {} : { location: `${location.slice(0, location.lastIndexOf("/"))}/${probe.name}` };
  const properties = { "format-version": "2" };
  await catalog.createTable(probe, { schema: { id: 0, identifierFieldIds: [], fields }, properties, ...at }, signal);
}

/** A commit of a property, and one that asserts a snapshot which isn't there: it must be refused. */
async function commitProbe(
  context: IcebergContext,
  probe: TableId,
  { metadata }: LoadedTable,
  signal: AbortSignal,
): Promise<void> {
  const { catalog } = context;
  const updates = [{ action: "set-properties", updates: { [PROBE_PROPERTY]: context.version } }];
  const uuid = { type: "assert-table-uuid", uuid: metadata.uuid };
  const main = (id: number | null) => ({ type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": id });
  const commit = async (requirements: readonly object[]) =>
    await catalog.commit(probe, commitBody(probe, { requirements, updates }), signal);
  const first = await commit([uuid, main(null)]);
  if (first.answer !== "won") throw first.error;
  const after = await catalog.loadTable(probe, signal);
  if (after?.metadata.properties[PROBE_PROPERTY] !== context.version)
    throw inconsistent(context, "it doesn't show what was committed");
  const second = await commit([uuid, main(1)]);
  if (second.answer !== "won") return;
  throw new ReplayportError(
    `${catalog.name} ignores what a commit requires`,
    giveUp(
      "iceberg.no_requirements",
      "Two loads could overwrite each other there. Use a catalog that checks `assert-ref-snapshot-id`.",
    ),
  );
}

async function checkStorage(
  context: IcebergContext,
  loaded: LoadedTable,
  name: string,
  step: ReturnType<typeof checkSteps>,
  signal: AbortSignal,
): Promise<void> {
  const { now, version } = context;
  const storage = context.storage(loaded);
  const [data, metadata] = folders(loaded.metadata.location).map((folder) => `${folder}${name}`);
  const paths = [`${metadata}.avro`, `${data}.parquet`] as const;
  try {
    for (const path of paths) {
      await step(`writing ${path}`, () => storage.create(path, version, now(), signal));
      const read = await step(`reading ${path}`, () => storage.read(path, signal));
      if (Buffer.from(read).toString() !== version) throw inconsistent(context, `${path} isn't what was written`);
    }
    await step(`writing ${paths[1]} in parts`, () => storage.checkLargeFiles(paths[1], signal));
    await step(`removing ${paths.join(" and ")}`, () => storage.delete(paths, signal));
  } catch (error) {
    await storage.delete(paths, cleanupDeadline()).catch(() => undefined);
    throw error;
  }
}

function inconsistent({ catalog }: IcebergContext, detail: string): ReplayportError {
  return new ReplayportError(
    `${catalog.name} isn't consistent: ${detail}`,
    giveUp("iceberg.not_consistent", "Look for a cache or a mirror in between."),
  );
}
