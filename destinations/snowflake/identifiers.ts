/** Names and literals in Snowflake's SQL. Pure. */

const PLAIN = /^[A-Za-z_][\w$]*$/;
const QUOTED = /^"(?<name>(?:[^"]|"")+)"$/;

/**
 * The name that an object has, for a name as a person writes it: a plain one is folded to upper case, as in SQL, one in
 * double quotes is taken as it stands. Anything else (`my-db`) could only be meant as it stands.
 */
export function folded(written: string): string {
  const quotedName = QUOTED.exec(written)?.groups?.["name"];
  if (quotedName !== undefined) return quotedName.replaceAll('""', '"');
  return PLAIN.test(written) ? written.toUpperCase() : written;
}

/** Columns are made in upper case, so that `SELECT session_id` finds them without quotes. */
export function columnName(name: string): string {
  return name.toUpperCase();
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** In single quotes; a backslash escapes in Snowflake's literals. */
export function text(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** TIMESTAMP_NTZ in UTC, from microseconds of the epoch: independent of every setting of account, user and session. */
export function timestamp(microseconds: number): string {
  return `TO_TIMESTAMP_NTZ(${microseconds}, 6)`;
}

export function moment(date: Date): string {
  return timestamp(date.getTime() * 1000);
}
