/** Copies staged files into the attempt's own temporary table, and counts the rows. */
import type { Batch } from "../destination.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import { copyInto } from "./copy.ts";
import { createStaging } from "./ddl.ts";
import { microsOf } from "./ledger.ts";
import { type Bounds, boundsWanted } from "./merge.ts";
import type { Names } from "./names.ts";
import type { Stage } from "./stage.ts";
import type { Row, Session, Statement } from "./statement.ts";

interface StagedBatch {
  readonly folder: string;
  readonly staging: string;
  readonly names: Names;
  readonly files: readonly string[];
}

/** Undefined if the MERGE can't be pruned. */
export async function fillStaging(
  session: Session,
  stage: Stage,
  batch: Batch,
  { folder, staging, names, files }: StagedBatch,
  rows: number,
  signal: AbortSignal,
): Promise<Bounds | undefined> {
  await session.execute(createStaging(names, staging, batch.columns, batch.format), signal);
  const copy = copyInto(staging, stage.location(folder), files, batch, stage.grants);
  const copied = await session.execute(copy, signal);
  const wanted = boundsWanted(batch);
  const [measured] = await session.execute(measureStaging(staging, wanted), signal);
  expectRows(batch, rows, "copied", sumOf(copied, "rows_loaded"));
  expectRows(batch, rows, "counted in the staging table", Number(measured?.["ROWS"]));
  if (wanted.length === 0 || wanted.some(({ name }) => measured?.[name] === null)) return undefined;
  return {
    firstStart: microsOf(measured, "FIRST_START"),
    lastEnd: microsOf(measured, "LAST_END"),
    firstExport: microsOf(measured, "FIRST_EXPORT"),
  };
}

function sumOf(rows: readonly Row[], column: string): number {
  return rows.reduce((sum, row) => sum + Number(row[column] ?? 0), 0);
}

/** Counts the staging table's rows, and finds the bounds that the MERGE prunes by, in microseconds. */
export function measureStaging(staging: string, bounds: readonly { name: string; sql: string }[]): Statement {
  const measured = bounds.map(({ name, sql }) => `,\n  DATE_PART(EPOCH_MICROSECOND, ${sql}) AS "${name}"`);
  return {
    sql: `SELECT COUNT(*) AS "ROWS"${measured.join("")}\nFROM ${staging}`,
    doing: "counting the staged rows",
    grants: [],
  };
}
