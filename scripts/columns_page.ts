/** docs/columns.md: the columns of session_replays, from the model. */
import { bigquery } from "../destinations/sql/bigquery.ts";
import { snowflake } from "../destinations/sql/snowflake.ts";
import type { ColumnType, Privacy } from "../src/models/column.ts";
import { SESSION_REPLAYS } from "../src/models/session_replays.ts";

/** How files have each type; src/models/column.ts has the same table for those who read the code. */
const IN_FILES: Readonly<Record<ColumnType, readonly [parquet: string, text: string]>> = {
  string: ["`BYTE_ARRAY`, UTF8", "text"],
  int64: ["`INT64`", "number"],
  float64: ["`DOUBLE`", "number"],
  bool: ["`BOOLEAN`", "`true`, `false`"],
  timestamp: ["`TIMESTAMP(MICROS)`, no zone", "`2026-10-01T00:00:00.000000Z`"],
  "string[]": ["`LIST` of UTF8", "JSON array; in CSV as text"],
  "timestamp[]": ["`LIST` of `TIMESTAMP(MICROS)`", "JSON array; in CSV as text"],
};
const PERSONAL: Readonly<Record<Privacy, string>> = {
  none: "",
  identifier: "identifies a person or a session",
  content: "what the person saw or typed",
};

export function columnsPage(): string {
  const columns = SESSION_REPLAYS.map(({ name, type, nullable, privacy, optIn, description }) => {
    const notes = [PERSONAL[privacy], optIn ? "only if included" : ""].filter(Boolean).join("; ");
    return `| \`${name}\` | \`${type}\` | ${nullable ? "yes" : ""} | ${description.replaceAll("|", "\\|")} | ${notes} |`;
  });
  const types = Object.entries(IN_FILES).map(([name, [parquet, text]]) => {
    const type = name as ColumnType;
    return `| \`${type}\` | ${parquet} | ${text} | \`${snowflake.types[type]}\` | \`${bigquery.types[type]}\` |`;
  });
  return `# Columns

<!-- Written by scripts/write-docs.ts from the model. Don't edit: run \`npm run docs\`. -->

One row for each (\`team_id\`, \`session_id\`), assembled from all of PostHog's partial rows of the session. Columns that your PostHog
doesn't have yet come as NULL. [Choosing rows and columns](rows.md) says how to leave columns out, hash or include them.

| column | type | NULL | what it is | notes |
|---|---|---|---|---|
${columns.join("\n")}

With [\`where\`](rows.md#where-only-some-sessions), files of a lake also have \`_matches\`: false for a session that was exported and doesn't match any more.

## Types

Times are UTC, to the microsecond.

| type | Parquet | JSON Lines, CSV | Snowflake | BigQuery |
|---|---|---|---|---|
${types.join("\n")}

In CSV, NULL is \`\\N\`. A text that is exactly \`\\N\` can't be told from NULL. Read it with \`na_values=["\\\\N"], keep_default_na=False\` in pandas,
\`null_values="\\\\N"\` in Polars, \`nullstr='\\N'\` in DuckDB. A text that begins with \`=\`, \`+\`, \`-\` or \`@\` is written as it is: a spreadsheet may run it
as a formula, so don't open such files there.
`;
}
