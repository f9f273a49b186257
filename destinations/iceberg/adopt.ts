/** Makes a table this installation's and this export's, whoever's it is. */
import { ReplayportError, retry } from "../../src/errors.ts";
import { commitBody } from "../catalog/catalog.ts";
import type { IcebergContext } from "./context.ts";
import { PROPERTIES } from "./names.ts";
import { ownerProperties } from "./tables.ts";

/** @returns whose it was */
export async function adopt(context: IcebergContext, signal: AbortSignal): Promise<string | undefined> {
  const { catalog, table, tableName } = context;
  const loaded = await catalog.loadTable(table, signal);
  if (!loaded) return undefined;
  const { uuid, properties } = loaded.metadata;
  const updates = ownerProperties(context);
  const before = properties[PROPERTIES.installation];
  if (Object.entries(updates).every(([name, value]) => properties[name] === value)) return before;
  const answer = await catalog.commit(
    table,
    commitBody(table, {
      requirements: [{ type: "assert-table-uuid", uuid }],
      updates: [{ action: "set-properties", updates }],
    }),
    signal,
  );
  if (answer.answer === "won") return before;
  const { code, hint } = answer.error;
  throw new ReplayportError(`${tableName} may not be adopted yet: ${answer.error.message}`, {
    ...retry(code, hint ?? "Run the command again."),
    cause: answer.error,
  });
}
