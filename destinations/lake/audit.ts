/** What an audit asks of a lake. It reads the key columns of the files that manifests name. */
import { messageOf, ReplayportError } from "../../src/errors.ts";
import { AUDIT_COLUMNS, keyText, SECONDS_OF_DAY } from "../../src/models/audit.ts";
import { MATCHES } from "../../src/models/deletion.ts";
import type { DestinationAudit } from "../destination.ts";
import { CurrentRows } from "../keys/current_rows.ts";
import { auditedKey, auditedVersion, groupOf, GroupSums, startDay, teamFilter } from "../keys/audited_row.ts";
import { valueAt } from "../keys/encode.ts";
import { readKeys } from "../keys/key_file.ts";
import { keyShape } from "../keys/shape.ts";
import type { KeyRows } from "../keys/supersession.ts";
import type { LakeContext } from "./context.ts";
import { storedRange } from "./earlier_files.ts";
import { readLedger, readManifests } from "./ledger.ts";
import type { KeptFile } from "./manifest.ts";

/** Keys in memory at once. The files are read again for the others. */
const MOST_KEYS = 8_000_000;
const FAR = new Date("9999-01-01T00:00:00Z");
/** Of rows that aren't compared: also those without a start, whose file was written under rules that left the column out. */
const NO_GROUP = -1;

type DataFile = Pick<KeptFile, "key" | "bytes" | "rows" | "format" | "columns">;

export function lakeAudit(lake: LakeContext): DestinationAudit {
  return {
    // Rows of deleted sessions stay in the files, whatever readers are shown.
    dropsDeleted: false,
    async groups({ from, teams }, signal) {
      const files = await currentFiles(lake, from, signal);
      const isOf = teamFilter(teams);
      const rows = files.reduce((sum, file) => sum + file.rows, 0);
      const passes = Math.max(1, Math.ceil(rows / MOST_KEYS));
      const firstDay = Math.floor(from.getTime() / 1000 / SECONDS_OF_DAY);
      const sums = new GroupSums();
      for (let pass = 0; pass < passes; pass += 1) {
        const current = new CurrentRows(Math.ceil(rows / passes), pass, passes);
        await eachRow(lake, files, signal, (some, of) => {
          if (!isOf(some, of)) return;
          const row = current.add(some, of);
          if (row === undefined) return;
          const day = startDay(some, of);
          // Readers don't get the rows of sessions that no longer match.
          if (valueAt(some.more?.[1], of) === false || day < firstDay) current.describe(row, NO_GROUP, 0);
          else {
            const { group, checksum } = groupOf(auditedKey(some, of), day, auditedVersion(some, of));
            current.describe(row, group, checksum);
          }
        });
        current.forEach((group, checksum) => {
          if (group !== NO_GROUP) sums.add(group, checksum);
        });
      }
      return sums.groups();
    },
    async versions({ from }, keys, signal) {
      const wanted = new Set(keys.map(keyText));
      const versions = new Map<string, string>();
      await eachRow(lake, await currentFiles(lake, from, signal), signal, (some, of) => {
        const key = keyText(auditedKey(some, of));
        if (!wanted.has(key)) return;
        const text = auditedVersion(some, of);
        if (text >= (versions.get(key) ?? "")) versions.set(key, text);
      });
      return versions;
    },
  };
}

/** A session that began after `from` and isn't older than it was ingested is in a batch that ends after `from`. */
async function currentFiles(lake: LakeContext, from: Date, signal: AbortSignal): Promise<DataFile[]> {
  const { current } = await readLedger(lake, { start: from, end: FAR }, signal);
  const files = new Map<string, DataFile>();
  for (const { manifest } of await readManifests(lake.store, current, signal)) {
    const { files: own, kept, format, columns } = manifest;
    for (const file of [...own.map((one) => ({ ...one, format, columns })), ...kept]) files.set(file.key, file);
  }
  return [...files.values()];
}

async function eachRow(
  lake: LakeContext,
  files: readonly DataFile[],
  signal: AbortSignal,
  sink: (some: KeyRows, row: number) => void,
): Promise<void> {
  for (const file of files) {
    const shape = keyShape(file.columns, AUDIT_COLUMNS.key, [AUDIT_COLUMNS.start, MATCHES.name]);
    if (!shape || file.rows === 0) continue;
    try {
      const range = storedRange(lake, file, signal);
      for await (const some of readKeys({ ...range, format: file.format, name: file.key, shape })) {
        for (let row = 0; row < some.rows; row += 1) sink(some, row);
      }
    } catch (error) {
      signal.throwIfAborted();
      // An outage passes. A file that is gone or broken has no rows that a reader could see, so they're lacking.
      if (error instanceof ReplayportError) throw error;
      lake.onWarning("can't read a file of the lake, so its rows count as lacking", {
        export: lake.export,
        key: file.key,
        error: messageOf(error),
      });
    }
  }
}
