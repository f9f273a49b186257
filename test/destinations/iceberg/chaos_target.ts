/** A table in SeaweedFS's catalog, read by PyIceberg. */
import assert from "node:assert/strict";
import type { ExportDefinition } from "../../../src/export/definition.ts";
import type { ChaosTarget } from "../../support/chaos_target.ts";
import { FIELDS, type Row } from "../../support/replay_rows.ts";
import { freshOptions, icebergPlace, openTestTable } from "./harness.ts";

export async function icebergChaosTarget(definition: ExportDefinition): Promise<ChaosTarget> {
  const place = await icebergPlace();
  assert.ok(!("skip" in place), "asked for a target without a catalog");
  const options = freshOptions(place.found);
  const table = { namespace: options.namespace, table: options.table ?? definition.name };
  return {
    open(now, { crash, around }) {
      const deps = { now, onWarning: () => undefined };
      const step = crash?.step ?? around;
      return openTestTable(options, deps, { export: definition.name, ...(step ? { around: step } : {}) });
    },
    async rows() {
      const found = (await place.reader.rows(table)) ?? [];
      return found.map(asRow).sort((one, other) => (one.key < other.key ? -1 : 1));
    },
    // The definition of the stories leaves the rows as they are; in the product the read empties them.
    shown: (row) => row,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function asRow(row: Readonly<Record<string, unknown>>): Row {
  const fields = FIELDS.map(({ field, column: { name, type } }) => {
    const value = row[name] ?? null;
    return [field, type === "timestamp" && typeof value === "string" ? micros(value) : value];
  });
  return { key: `${String(row["team_id"])}/${String(row["session_id"])}`, ...Object.fromEntries(fields) } as Row;
}

/** `2026-10-01T00:00:00.123456Z` */
function micros(text: string): number {
  return Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20, 26));
}
