/** src/models/reading_order.ts in SQL: written in AND, OR and IS NULL, which mean the same in every engine. */
import { READING_ORDER } from "../../src/models/reading_order.ts";

interface Model {
  readonly columns: readonly { readonly name: string }[];
  readonly key: readonly string[];
}

/** A column of one of the rows as an expression, by the model's name for it. */
type Expression = (column: string) => string;

function orderColumns({ columns }: Model): string[] {
  return READING_ORDER.filter((name) => columns.some((column) => column.name === name));
}

/** For ORDER BY within a key: the row that wins comes first. Without any column of the order, any row may. */
export function newestFirst(model: Model, of: Expression): string {
  const order = orderColumns(model);
  if (order.length === 0) return model.key.map(of).join(", ");
  // Not NULLS LAST: DuckDB 1.5.6 picks a wrong row by it where a model has one of the columns only.
  return order.flatMap((name) => [`${of(name)} IS NULL`, `${of(name)} DESC`]).join(", ");
}

/** A condition for MERGE: the row that arrives (`now`) replaces the one that is there (`old`). On a tie it does: it comes later. */
export function replaces(model: Model, now: Expression, old: Expression): string {
  const [last, ...before] = orderColumns(model).toReversed();
  if (last === undefined) return "TRUE";
  return before.reduce(
    (onTie, name) => {
      const [n, o] = [now(name), old(name)];
      const wins = `${n} > ${o} OR (${o} IS NULL AND ${n} IS NOT NULL)`;
      return `${wins} OR ((${n} = ${o} OR (${o} IS NULL AND ${n} IS NULL)) AND (${onTie}))`;
    },
    `${old(last)} IS NULL OR ${now(last)} >= ${old(last)}`,
  );
}
