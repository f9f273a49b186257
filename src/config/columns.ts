/** `columns` and `where` of an export, as the YAML has them. column_rules.ts checks the names, column_schema.ts completes them. */
import * as z from "zod";
import { SESSION_REPLAYS } from "../models/session_replays.ts";
import { field, optional, text } from "./values/fields.ts";

const columnNames = (description: string, example: string[]) => optional(z.array(text), description, example);

export const columnsSchema = z
  .strictObject({
    include: columnNames(
      `Columns that are only exported if you name them: ${SESSION_REPLAYS.filter(({ optIn }) => optIn)
        .map((column) => column.name)
        .join(", ")}.`,
      ["block_urls"],
    ),
    exclude: columnNames("Columns to leave out.", ["distinct_id"]),
    hash: columnNames(
      "Columns to replace by SHA-256 of hash_salt and value. Joins between hashed columns still work.",
      ["distinct_id"],
    ),
    strip_query: columnNames("URL columns to export without query and fragment.", ["first_url", "all_urls"]),
  })
  .describe("Changes to columns, made before anything leaves ClickHouse.");

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const bound = z.union([z.string(), z.number()]).optional();
export const conditionSchema = field(
  z.union([
    scalar,
    z.array(z.union([z.string(), z.number()])).min(1),
    z
      .strictObject({
        min: bound.describe("The lowest value, included."),
        max: bound.describe("The highest value, included."),
      })
      .meta({ minProperties: 1 }),
  ]),
  "A value, a list of values, or a range { min, max } that includes both ends.",
  "web",
  ["web", "mobile"],
  { min: 5, max: 600 },
);

export type ColumnsInput = z.output<typeof columnsSchema>;
export type ConditionInput = z.output<typeof conditionSchema>;
