/**
 * docs/error-codes.md: every error code in the sources, what it means for the batch, and what the operator does.
 *
 * A code is a string literal `prefix.what` whose prefix is one of PREFIXES. Its remedy and hint are read from where the
 * error is made: `giveUp("code", hint)`, `retry("code", hint)`, or an object with `code`, `remedy` and `hint`. This is a scan of the
 * text, not a parse: it needs no compiler, and a code that it can't place still gets its row.
 */
import { globSync, readFileSync } from "node:fs";

/** Which rooms may make errors with each prefix. A code says which part of the product failed, so its room must be one of these. */
export const PREFIXES: Readonly<Record<string, readonly string[]>> = {
  cli: ["src/cli"],
  config: ["src/config", "src/cli", "src/web"],
  demo: ["src/cli", "src/demo"],
  model: ["src/models"],
  schedule: ["src/intervals"],
  interval: ["src/intervals"],
  // The core compares the source's clock with its own, and its columns with the receipts'.
  source: ["src/clickhouse", "src/export"],
  engine: ["src/clickhouse_server"],
  stage: ["src/stage", "destinations/files", "destinations"],
  load: ["src/export", "destinations"],
  store: ["destinations/store"],
  lake: ["destinations/lake"],
  audit: ["src/audit"],
  warehouse: ["destinations/warehouse"],
  bigquery: ["destinations/bigquery"],
  catalog: ["destinations/catalog"],
  iceberg: ["destinations/iceberg", "destinations/table_format"],
  snowflake: ["destinations/snowflake"],
  fleet: ["src/fleet"],
  redis: ["src/fleet"],
  backfill: ["src/fleet"],
  correction: ["src/export"],
  alerts: ["src/alerts"],
  http: ["src/web"],
  request: ["src/web"],
};

/** Literals that look like codes and are none, each with what it is. */
const NO_CODES: Readonly<Record<string, string>> = {
  "lake.replays": "a view of the demo",
  "export.paused": "an event",
};

export interface CodeSite {
  readonly code: string;
  readonly file: string;
  readonly room: string;
  /** Undefined where the code is only compared or mapped, not made. */
  readonly remedy: "retry" | "give-up" | undefined;
  /** `…` stands for what is only known at run time. Undefined where it is computed elsewhere. */
  readonly hint: string | undefined;
}

const CODE = /"([a-z]+)\.([a-z][a-z_]*)"/g;
/** Functions that make an error or its classification from a code and a hint. */
const MAKERS: Readonly<Record<string, "retry" | "give-up">> = {
  giveUp: "give-up",
  stop: "give-up",
  retry: "retry",
  again: "retry",
};
/** Where HTTP's answers are made: code, message, hint. `[` is the table of those that have a status of HTTP's. */
const ANSWERS = /(?:\bRequestError\(|\berrorBody\(|\[)\s*$/;

export function roomOf(file: string): string {
  const [top = "", folder = "", ...rest] = file.split("/");
  return rest.length === 0 ? (top === "destinations" ? top : file) : `${top}/${folder}`;
}

export function codeSites(): CodeSite[] {
  return globSync("{src,destinations}/**/*.ts")
    .sort()
    .flatMap((file) => sitesIn(file, readFileSync(file, "utf8")));
}

export function sitesIn(file: string, text: string): CodeSite[] {
  return [...text.matchAll(CODE)]
    .filter(([, prefix = "", what]) => PREFIXES[prefix] !== undefined && NO_CODES[`${prefix}.${what}`] === undefined)
    .filter(({ index }) => !/^\s*(\*|\/\/)/.test(text.slice(text.lastIndexOf("\n", index) + 1, index)))
    .map((match) => {
      const [literal, prefix = "", what = ""] = match;
      return { code: `${prefix}.${what}`, file, room: roomOf(file), ...made(text, match.index, literal.length) };
    });
}

/** What is made with the code at `at`: a call of a maker, or an object literal. */
function made(text: string, at: number, length: number): Pick<CodeSite, "remedy" | "hint"> {
  const before = text.slice(Math.max(0, at - 400), at);
  const maker = /\b(\w+)\(\s*$/.exec(before)?.[1] ?? "";
  const call = MAKERS[maker];
  const words = (source: string): string | undefined => wording(definition(text, at, source));
  if (call !== undefined) return { remedy: call, hint: words(argumentAfter(text, at + length)) };
  if (ANSWERS.test(before)) {
    const message = argumentAfter(text, at + length);
    const end = text.indexOf(message, at + length) + message.length;
    return { remedy: "give-up", hint: words(argumentAfter(text, end)) };
  }
  if (/\bcode:[^,{}]*$/.test(before)) {
    const open = text.lastIndexOf("{", at);
    const body = text.slice(open, closing(text, open));
    const remedy = /\bremedy:\s*"(retry|give-up)"/.exec(body)?.[1] as CodeSite["remedy"];
    const hint = /\bhint(:?)(?=[,\s}])/.exec(body);
    return {
      remedy,
      hint:
        hint === null ? undefined : words(hint[1] === "" ? "hint" : firstExpression(body, hint.index + hint[0].length)),
    };
  }
  return { remedy: undefined, hint: undefined };
}

/** What the last `const` of that name before `at` was set to, where `source` is a mere name; else `source`. */
function definition(text: string, at: number, source: string): string {
  const name = /^\s*([a-z]\w*)\s*$/i.exec(source)?.[1];
  const declared = name === undefined ? -1 : text.lastIndexOf(`const ${name} =`, at);
  return declared === -1 ? source : firstExpression(text, text.indexOf("=", declared) + 1);
}

/** The argument that follows the one that ends at `at`. */
function argumentAfter(text: string, at: number): string {
  const comma = /^\s*,\s*/.exec(text.slice(at));
  return comma === null ? "" : firstExpression(text, at + comma[0].length);
}

/** From `at` to the next comma or semicolon, or to the bracket that closes what was open at `at`. */
function firstExpression(text: string, at: number): string {
  let depth = 0;
  for (let index = at; index < text.length; index += 1) {
    const char = text[index] ?? "";
    if (char === '"' || char === "`") index = endOfString(text, index);
    else if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) {
      if (depth === 0) return text.slice(at, index);
      depth -= 1;
    } else if ((char === "," || char === ";") && depth === 0) return text.slice(at, index);
  }
  return text.slice(at);
}

function closing(text: string, open: number): number {
  return open + 1 + bodyLength(text, open + 1);
}

function bodyLength(text: string, at: number): number {
  let end = at;
  while (end < text.length && text[end] !== "}") {
    end += firstExpression(text, end).length;
    if (text[end] === "," || text[end] === ";") end += 1;
    else break;
  }
  return end - at;
}

/** The index of the quote that ends the string or template that begins at `at`. */
function endOfString(text: string, at: number): number {
  const quote = text[at];
  for (let index = at + 1; index < text.length; index += 1) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === quote) return index;
    else if (quote === "`" && text.startsWith("${", index)) index = closing(text, index + 1);
  }
  return text.length;
}

/** The words of an expression of strings: parts that are added are joined, alternatives of `?:` are separated by " / ". */
function wording(source: string): string | undefined {
  const parts: string[] = [];
  let alternatives = false;
  for (let index = 0; index < source.length; index += 1) {
    const char = source[index];
    if (char === '"' || char === "`") {
      const end = endOfString(source, index);
      const text = source.slice(index + 1, end);
      parts.push(char === "`" ? withoutValues(text) : text);
      index = end;
      const next = source.slice(end + 1).trimStart();
      if (next.startsWith(":") || next.startsWith("?")) alternatives = true;
    }
  }
  const words = parts.filter((part) => part.includes(" "));
  if (words.length === 0) return undefined;
  return (alternatives ? words.join(" / ") : parts.join("")).replaceAll(/\\(.)/g, "$1").replaceAll(/\s+/g, " ").trim();
}

/** A template's text with `…` for each `${value}`. */
function withoutValues(template: string): string {
  let text = "";
  for (let index = 0; index < template.length; index += 1) {
    if (template.startsWith("${", index)) {
      index = closing(template, index + 1);
      text += "…";
    } else text += template[index];
  }
  return text;
}

/** The page. */
export function errorCodesPage(sites: readonly CodeSite[]): string {
  const byCode = Map.groupBy(sites, ({ code }) => code);
  const byPrefix = Map.groupBy([...byCode.keys()].sort(), (code) => code.split(".")[0] ?? "");
  const sections = Object.keys(PREFIXES).flatMap((prefix) => {
    const codes = byPrefix.get(prefix);
    if (codes === undefined) return [];
    return [
      `## ${prefix}`,
      "",
      "| code | remedy | what you do | room |",
      "|---|---|---|---|",
      ...codes.map((code) => row(code, byCode.get(code) ?? [])),
      "",
    ];
  });
  return (
    `# Error codes

<!-- Written by scripts/write-docs.ts from the sources. Don't edit: change the code and run \`npm run docs\`. -->

Every error has a code. It is in \`--json\` output, the log, the dashboard, the API and the metrics (label \`code\`), and it stays the
same from release to release. **retry**: Replayport tries again by itself. **give-up**: nothing changes until somebody does what the
hint says; the fleet pauses the export. \`…\` stands for a value. The \`unexpected\` code marks a bug in Replayport: please report it.

${sections.join("\n")}`.trimEnd() + "\n"
  );
}

function row(code: string, sites: readonly CodeSite[]): string {
  const makers = sites.filter(({ remedy, hint }) => remedy !== undefined || hint !== undefined);
  const remedies = [...new Set(makers.flatMap(({ remedy }) => remedy ?? []))].sort();
  const hints = [...new Set(makers.flatMap(({ hint }) => hint ?? []))];
  const rooms = [...new Set((makers.length > 0 ? makers : sites).map(({ room }) => `\`${room}\``))];
  const todo = hints.map(escaped).join("<br>") || "See the message.";
  const cells = [`\`${code}\``, remedies.join(" or ") || "depends", todo, rooms.join(", ")];
  return `| ${cells.join(" | ")} |`;
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

/**
 * What is wrong with the codes, in sentences.
 *
 * @param pages the text of each page of the docs
 * @param configKeys the keys of schedules.yaml: `http.token` in a page is one of them, not a code
 */
export function codeProblems(
  sites: readonly CodeSite[],
  pages: ReadonlyMap<string, string>,
  configKeys: ReadonlySet<string>,
): string[] {
  const wrongRooms = sites
    .filter(({ remedy }) => remedy !== undefined)
    .filter(({ code, room }) => !(PREFIXES[code.split(".")[0] ?? ""] ?? []).includes(room))
    .map(({ code, file }) => `${file} makes ${code}, whose prefix belongs to another room`);
  const known = new Set(sites.map(({ code }) => code));
  const unknown = [...pages].flatMap(([page, text]) =>
    [...text.matchAll(/`([a-z]+)\.([a-z][a-z_]*)`/g)]
      .filter(([, prefix = "", what = ""]) => PREFIXES[prefix] !== undefined && !configKeys.has(what))
      .map(([, prefix, what]) => `${prefix}.${what}`)
      .filter((code) => !known.has(code) && !/\.(ts|json|yaml|sql|md)$/.test(code))
      .map((code) => `${page} mentions ${code}, which no source makes`),
  );
  return [...wrongRooms, ...unknown];
}
