/** A batch is committed only if the warehouse has counted as many rows as were staged. */
import { ReplayportError, retry } from "../../src/errors.ts";
import type { Batch } from "../destination.ts";
import { describeBatch } from "../races.ts";

/** @param where how the rows were counted: `copied`, `counted in the staging table` */
export function expectRows(batch: Batch, staged: number, where: string, counted: number): void {
  if (counted === staged) return;
  throw new ReplayportError(
    `${describeBatch(batch)}: ${staged} rows were staged, ${counted} ${where}; nothing was changed`,
    retry(
      "warehouse.rows_differ",
      "If it happens again, check what else writes to the staging folder, and keep the files with `--stage-dir` to look into them.",
    ),
  );
}
