/** Statements that are refused before the engine sees them. */
import { ServerException } from "./exception.ts";
import type { Token } from "./tokens.ts";

/** Files of the server's machine are never written or read by a statement over HTTP. The engine as a library would. */
export function refuseFiles(all: readonly Token[]): void {
  for (const [at, token] of all.entries()) {
    if (all[at + 1]?.kind !== "string" || at === 0) continue;
    const before = all[at - 1]?.word;
    if (token.word === "OUTFILE" && before === "INTO") {
      throw new ServerException(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed.");
    }
    if (token.word === "INFILE" && before === "FROM") {
      throw new ServerException(78, "UNKNOWN_TYPE_OF_QUERY", "Query has infile and was sent directly to the server.");
    }
  }
}

/** Engines that keep their data in the data directory, or have none. Others name a folder, a program or a server. */
const ENGINES =
  /^(?:\w*MergeTree|Memory|(?:Tiny|Stripe)?Log|Null|Set|Join|Buffer|Merge|\w*View|GenerateRandom|Alias|Loop|TimeSeries|Dictionary|Atomic|Ordinary|Lazy)$/i;
/** What follows a column that is called `engine`. */
const AFTER_A_NAME: ReadonlySet<string> = new Set(
  "FROM AS IN NOT LIKE ILIKE IS AND OR BETWEEN ASC DESC THEN ELSE END WHEN UNION LIMIT ORDER GROUP HAVING WHERE".split(
    " ",
  ),
);

/** Refuses what grants don't cover: engines and disks of their own place, and tables whose data is elsewhere. */
export function refuseOutside(all: readonly Token[]): void {
  const first = all[0]?.word ?? "";
  const creates = all.some(({ word }) => word === "CREATE" || word === "ATTACH" || word === "REPLACE");
  let depth = 0;
  for (const [at, token] of all.entries()) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    const next = all[at + 1];
    const name = nameOf(token).toLowerCase();
    if (name === "disk" && next?.text === "(") deny("disk(…)");
    if (first === "ATTACH" && token.word === "FROM" && next?.kind === "string") deny("ATTACH … FROM a path");
    if (!creates || token.word !== "ENGINE") continue;
    // In brackets it's a column.
    if (next?.text !== "=" && depth > 0) continue;
    const given = next?.text === "=" ? all[at + 2] : next;
    if (given === undefined || (given.kind !== "word" && given.kind !== "quoted")) continue;
    if (AFTER_A_NAME.has(given.word) || ENGINES.test(nameOf(given))) continue;
    deny(`ENGINE = ${given.text}`);
  }
}

/**
 * Clients send a session's name with every query, mostly without need of it. But what a statement leaves to its session would be gone
 * at the next one: its client would read with other settings than it set.
 */
export function refuseSessions(all: readonly Token[]): void {
  const first = all[0]?.word ?? "";
  const temporary = all.some(({ word }, at) => word === "TEMPORARY" && MAKES.has(all[at - 1]?.word ?? ""));
  if (!temporary && !LEAVES.has(first)) return;
  const what = temporary ? "a temporary table" : first;
  const message = `Sessions are not supported, so nothing would be left of ${what}: send settings and the database with each query.`;
  throw new ServerException(48, "NOT_IMPLEMENTED", message);
}

const LEAVES: ReadonlySet<string> = new Set(["SET", "USE", "BEGIN", "START", "COMMIT", "ROLLBACK"]);
const MAKES: ReadonlySet<string> = new Set(["CREATE", "REPLACE", "ATTACH"]);

/** With a version of the protocol, Native has more bytes before blocks and columns. The engine as a library doesn't write them. */
export function refuseNative(format: string): void {
  if (format.toLowerCase() !== "native") return;
  const message =
    "Native with client_protocol_version is not supported: leave client_protocol_version out, or ask for another format. " +
    "clickhouse-go always asks for it, so it can't be used here.";
  throw new ServerException(48, "NOT_IMPLEMENTED", message);
}

function deny(what: string): never {
  const message = `${what} reaches outside of the data directory, and is not allowed here.`;
  throw new ServerException(497, "ACCESS_DENIED", message);
}

/** As the engine reads it: a quoted name may have escapes, such as `di\x73k`. */
function nameOf({ kind, text }: Token): string {
  if (kind !== "quoted") return kind === "word" ? text : "";
  return text.slice(1, -1).replaceAll(/\\(?:x([\da-f]{2})|([^]))/gi, (_, hex?: string, plain = "") => {
    return hex === undefined ? plain : String.fromCharCode(Number.parseInt(hex, 16));
  });
}
