/** Copies staged files into the attempt's own temporary table, and counts the rows. */
import type { Batch } from "../destination.ts";
import { expectRows } from "../warehouse/row_counts.ts";
import { copyInto } from "./copy.ts";
import { createStaging } from "./ddl.ts";
import type { Names } from "./names.ts";
import type { Stage } from "./stage.ts";
import type { Row, Session, Statement } from "./statement.ts";

export interface StagedBatch {
  readonly folder: string;
  readonly staging: string;
  readonly names: Names;
  readonly files: readonly string[];
  /** As many as were staged. */
  readonly rows: number;
}

/** Before a transaction begins, since it's DDL. */
export async function createStagingTable(
  session: Session,
  batch: Batch,
  { staging, names }: StagedBatch,
  signal: AbortSignal,
): Promise<void> {
  await session.execute(createStaging(names, staging, batch.columns, batch.format), signal);
}

export async function fillStaging(
  session: Session,
  stage: Stage,
  batch: Batch,
  { folder, staging, files, rows }: StagedBatch,
  signal: AbortSignal,
): Promise<void> {
  const copy = copyInto(staging, stage.location(folder), files, batch, stage.grants);
  const copied = await session.execute(copy, signal);
  const [counted] = await session.execute(countStaging(staging), signal);
  expectRows(batch, rows, "copied", sumOf(copied, "rows_loaded"));
  expectRows(batch, rows, "counted in the staging table", Number(counted?.["ROWS"]));
}

function sumOf(rows: readonly Row[], column: string): number {
  return rows.reduce((sum, row) => sum + Number(row[column] ?? 0), 0);
}

function countStaging(staging: string): Statement {
  return { sql: `SELECT COUNT(*) AS "ROWS" FROM ${staging}`, doing: "counting the staged rows", grants: [] };
}
