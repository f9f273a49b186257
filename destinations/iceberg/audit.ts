/** What an audit asks of an Iceberg table. It reads the key columns of live rows. */
import { AUDIT_COLUMNS, keyText, SECONDS_OF_DAY } from "../../src/models/audit.ts";
import type { Column } from "../../src/models/column.ts";
import type { DestinationAudit } from "../destination.ts";
import { auditedKey, auditedVersion, groupOf, GroupSums, startDay, teamFilter } from "../keys/audited_row.ts";
import { readKeys } from "../keys/key_file.ts";
import type { KeyRows } from "../keys/supersession.ts";
import { columnNames } from "../parquet/columns.ts";
import { keepFooter } from "../parquet/range_reader.ts";
import type { DataFile } from "../table_format/manifest.ts";
import { currentSchema, type TableMetadata } from "../table_format/metadata.ts";
import { columnTypeOf } from "../table_format/schema.ts";
import type { IcebergContext } from "./context.ts";
import { readGone } from "./gone_rows.ts";
import { currentLedger } from "./ledger.ts";
import { shapeOf } from "./row_keys.ts";
import { deadRows, readState, type TableState } from "./snapshot.ts";
import { loadTable } from "./tables.ts";

export function icebergAudit(context: IcebergContext): DestinationAudit {
  return {
    dropsDeleted: context.onDelete === "delete",
    async groups({ from, teams }, signal) {
      const sums = new GroupSums();
      const state = await currentState(context, signal);
      if (!state) return [];
      const isOf = teamFilter(teams);
      const firstDay = Math.floor(from.getTime() / 1000 / SECONDS_OF_DAY);
      await eachRow(context, state, from, signal, (some, row) => {
        const day = startDay(some, row);
        if (day < firstDay || !isOf(some, row)) return;
        const { group, checksum } = groupOf(auditedKey(some, row), day, auditedVersion(some, row));
        sums.add(group, checksum);
      });
      return sums.groups();
    },
    async versions({ from }, keys, signal) {
      const wanted = new Set(keys.map(keyText));
      const versions = new Map<string, string>();
      const state = await currentState(context, signal);
      if (!state) return versions;
      const meet = (key: string, version: string): void => {
        if (wanted.has(key) && version >= (versions.get(key) ?? "")) versions.set(key, version);
      };
      await eachRow(context, state, from, signal, (some, row) =>
        meet(keyText(auditedKey(some, row)), auditedVersion(some, row)),
      );
      const { gone } = await currentLedger(context, state.storage, state.metadata, signal);
      const [team, session] = AUDIT_COLUMNS.key;
      for (const file of gone) {
        for (const { values, deleted } of await readGone(state.storage, file, signal)) {
          const key = keyText({ team: values[team] ?? "", session: values[session] ?? "" });
          if (deleted) meet(key, values[AUDIT_COLUMNS.version] ?? "");
        }
      }
      return versions;
    },
  };
}

async function currentState(context: IcebergContext, signal: AbortSignal): Promise<TableState | undefined> {
  const loaded = await loadTable(context, signal);
  return loaded && (await readState(context, loaded, signal));
}

/** Live rows, without files of which all rows began before `from`. */
async function eachRow(
  context: IcebergContext,
  state: TableState,
  from: Date,
  signal: AbortSignal,
  visit: (some: KeyRows, row: number) => void,
): Promise<void> {
  const columns = columnsOf(state.metadata);
  for (const one of state.data) {
    const { file } = one.entry;
    if (endsBefore(file, state.metadata, from)) continue;
    const range = keepFooter(state.storage.range(file.path, file.bytes, signal));
    const dead = await deadRows(context, state, one, signal);
    const of = { columns, key: AUDIT_COLUMNS.key };
    const shape = shapeOf(of, await columnNames(range), [AUDIT_COLUMNS.start]);
    let before = 0;
    for await (const some of readKeys({ ...range, format: "parquet", name: file.path, shape })) {
      for (let row = 0; row < some.rows; row += 1) if (dead?.has(before + row) !== true) visit(some, row);
      before += some.rows;
    }
  }
}

/** Those of the table, as far as their types are ours. */
function columnsOf(metadata: TableMetadata): Pick<Column, "name" | "type">[] {
  return currentSchema(metadata).fields.flatMap(({ name, type }) => {
    const ours = columnTypeOf(type);
    return ours === undefined ? [] : [{ name, type: ours }];
  });
}

function endsBefore({ upperBounds }: DataFile, metadata: TableMetadata, from: Date): boolean {
  const id = currentSchema(metadata).fields.find(({ name }) => name === AUDIT_COLUMNS.start)?.id ?? -1;
  const upper = upperBounds?.get(id);
  return upper !== undefined && Buffer.from(upper).readBigInt64LE(0) < BigInt(from.getTime()) * 1000n;
}
