/** The option of both lakes that decides how long replaced files stay. */
import { duration, optional } from "../values/fields.ts";
import { DAY_MS } from "../values/units.ts";

export const keepReplaced = optional(
  duration(0, 30 * DAY_MS),
  "How long replaced files stay for queries that have listed them. A later load removes them. Default 1h.",
  "1h",
);
