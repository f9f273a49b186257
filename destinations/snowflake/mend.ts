/** Keys that a table has twice: how many there are, and the statements that leave one row of each. Pure. */
import type { ReplayportError } from "../../src/errors.ts";
import { countAllDoubled, duplicates, type KeyedTable, keptOfDoubled } from "../warehouse/held_rows.ts";
import type { Rows } from "../warehouse/rows.ts";
import { equal, keyOf, reading, type Target, targetColumn } from "./merge.ts";
import { type Names, objectPath } from "./names.ts";
import type { Statement } from "./statement.ts";

function keyed(rows: Rows, target: Target): KeyedTable {
  return { table: target.target, rows, column: targetColumn(target) };
}

/** One row: DOUBLED, how many keys of the target have more than one row. */
export function findAllDoubled(rows: Rows, target: Target): Statement {
  return reading(countAllDoubled(keyed(rows, target)), target);
}

export function doubledKeys(names: Names, rows: Rows, target: Target, count: number): ReplayportError {
  return duplicates(target.target, count, mendDoubled(names, rows, target));
}

/** DML in a transaction, which keeps the table and its grants. */
function mendDoubled(names: Names, rows: Rows, target: Target): string {
  const kept = objectPath(names, "_REPLAYPORT_KEPT");
  const column = targetColumn(target);
  const same = keyOf(rows).map((one) =>
    equal(
      one,
      (name) => `t.${column(name)}`,
      (name) => `kept.${column(name)}`,
    ),
  );
  return [
    `CREATE OR REPLACE TEMPORARY TABLE ${kept} AS ${keptOfDoubled(keyed(rows, target))}`,
    "BEGIN TRANSACTION",
    `DELETE FROM ${target.target} AS t USING ${kept} AS kept WHERE ${same.join(" AND ")}`,
    `INSERT INTO ${target.target} SELECT * FROM ${kept}`,
    "COMMIT;",
  ].join("; ");
}
