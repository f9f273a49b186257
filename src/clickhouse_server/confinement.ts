/**
 * Keeps an engine's statements within its data directory. A server of ClickHouse confines `file()` to its user_files; the engine as a
 * library has no such limit, reads what its user may read, and connects to any host. So it gets what a server has: a user whose
 * grants name what is allowed. What grants don't cover is in refusals.ts, except for one function.
 *
 * The function `file('path')` asks for no grant, and may hide in texts that the engine evaluates (the structure of `format()`), where
 * no look at a statement finds it. But it resolves the folder of user files first, which for a library is the working directory:
 * in a process whose working directory is gone, it fails, however it is called.
 */
import { mkdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** No SOURCES (files, URLs, other servers), dictionaries, backups, named collections, or users. */
const GRANTS = `SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE FUNCTION, CREATE TEMPORARY TABLE,
  DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW, CHECK, KILL QUERY, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, dictGet`;

/** Settings that name a file or an address, or a language in which refusals.ts would find nothing. */
const FIXED = [
  "format_schema",
  "output_format_schema",
  "format_template_row",
  "format_template_resultset",
  "format_avro_schema_registry_url",
  "input_format_record_errors_file_path",
  "dialect",
];

const CONFIGS = ["confined-config.xml", "confined-users.xml"] as const;

/** @returns the arguments that start a confined engine. @param directory for files that it reads when it starts */
export async function confinedArguments(directory: string): Promise<string[]> {
  const [main, users] = CONFIGS.map((name) => join(directory, name)) as [string, string];
  const fixed = FIXED.map((name) => `<${name}><readonly/></${name}>`).join("");
  await writeFile(
    users,
    `<clickhouse>
  <profiles><default><constraints>${fixed}</constraints></default></profiles>
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants><query>GRANT ${GRANTS} ON *.*</query></grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
`,
  );
  await writeFile(main, `<clickhouse><users_config>${escaped(users)}</users_config></clickhouse>\n`);
  return [`--config-file=${main}`];
}

/** Call it when the engine is open: opening it needs the files and a working directory. Relative paths fail in this process from then on. */
export async function confine(directory: string): Promise<void> {
  for (const name of CONFIGS) await rm(join(directory, name));
  const gone = join(directory, "gone");
  await mkdir(gone);
  process.chdir(gone);
  await rmdir(gone);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
