/**
 * docs/config.md: every key of schedules.yaml, from the config's JSON Schema. A table for each part of the file, with the keys
 * of nested objects in dotted form.
 */
import type { SchemaNode } from "../src/config/problems/schema_node.ts";
import { PLACEHOLDER_PATTERN } from "../src/config/values/env.ts";
import { HTTP_URL_PATTERN } from "../src/config/values/fields.ts";
import { REDIS_URL_PATTERN } from "../src/config/values/redis_url.ts";
import { TIME_PATTERN, TIMEZONE_PATTERN } from "../src/config/values/times.ts";
import { DURATION_PATTERN, SIZE_PATTERN } from "../src/config/values/units.ts";
import { SCHEDULE_PATTERN } from "../src/intervals/schedule.ts";

/** What a text with this pattern is called. */
const NAMED_PATTERNS: ReadonlyMap<string | undefined, string> = new Map([
  [DURATION_PATTERN, "duration"],
  [SIZE_PATTERN, "size"],
  [HTTP_URL_PATTERN, "URL"],
  [REDIS_URL_PATTERN, "URL"],
  [SCHEDULE_PATTERN, "schedule"],
  [TIME_PATTERN, "date or time"],
  [TIMEZONE_PATTERN, "time zone"],
]);

export function configPage({ properties = {}, required = [] }: SchemaNode): string {
  const sections = Object.entries(properties).filter(([, node]) => node.type === "object");
  const plain = Object.entries(properties).filter(([, node]) => node.type !== "object");
  return `# Config reference

<!-- Written by scripts/write-docs.ts from the config's schema. Don't edit: run \`npm run docs\`. -->

\`schedules.yaml\` has these parts; ${required.map((key) => `\`${key}\``).join(", ")} are required. Nested keys are written with a dot: \`assume_role.arn\` is
\`assume_role: { arn: … }\`.

- **\`\${NAME}\`** in any value is taken from the environment, \`\${NAME:-default}\` if it may be missing. Write \`$\${\` for a literal \`\${\`.
- A **duration** is a number and a unit: \`30s\`, \`5m\`, \`1h\`, \`3d\`, \`2w\`. A **size** is bytes or has a unit: \`64MiB\`, \`4GiB\`.
- A **secret** never appears in a log, an error, a receipt or a queue. Take it from the environment.
- Paths are relative to the file.

\`replayport check\` shows every mistake at once. An editor with a YAML language server completes the file by the
[JSON Schema](../schema/schedules.json), which \`replayport schema\` prints.

## Top level

${table(plain.flatMap(([key, node]) => rows(key, node, required.includes(key))))}
${sections.map(([key, node]) => section(key, node)).join("\n")}`;
}

function section(key: string, node: SchemaNode): string {
  const named = node.additionalProperties || undefined;
  const title = named ? `${key}.<name>` : key;
  const head = `## ${key}\n\n${node.description ?? ""}${named?.description ? ` \`${title}\`: ${lowerFirst(named.description)}` : ""}\n\n`;
  const forms = named?.oneOf;
  if (forms === undefined) return `${head}${table(rowsOf(named ?? node, ""))}`;
  const part = (form: SchemaNode): string => {
    const type = String(form.properties?.["type"]?.const);
    return `### type: ${type}\n\n${form.description ?? ""}\n\n${table(rowsOf(form, ""))}`;
  };
  return `${head}${forms.map(part).join("\n")}`;
}

function table(lines: readonly string[]): string {
  return `| key | value | |\n|---|---|---|\n${lines.join("\n")}\n`;
}

function rowsOf(node: SchemaNode, prefix: string): string[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    rows(`${prefix}${key}`, child, node.required?.includes(key) ?? false),
  );
  const name = prefix === "where." ? "<column>" : "<name>";
  const rest = node.additionalProperties ? rows(`${prefix}${name}`, node.additionalProperties, false) : [];
  return [...own, ...rest];
}

/** The row of a key, and those of the keys below it. */
function rows(key: string, node: SchemaNode, isRequired: boolean): string[] {
  const forms = formsOf(node);
  const facts = [
    ...new Set(forms.map(valueOf)),
    ...(isRequired ? ["**required**"] : []),
    ...(node.writeOnly ? ["secret"] : []),
    ...(node.default === undefined || node.default === "" ? [] : [`default ${code(node.default)}`]),
  ];
  const example = node.examples?.find((value) => JSON.stringify(value) !== JSON.stringify(node.default));
  const description = (node.description ?? forms.find((form) => form.description)?.description ?? "").replaceAll(
    "|",
    "\\|",
  );
  const words = [description, ...(example === undefined ? [] : [`Example: ${code(example)}`])]
    .filter(Boolean)
    .join(" ");
  const below = forms.flatMap((form) => rowsOf(form, `${key}.`));
  return [`| \`${key}\` | ${facts.join("; ")} | ${words} |`, ...below];
}

/** The forms that a value may have, without placeholders. */
function formsOf(node: SchemaNode): SchemaNode[] {
  const members = node.anyOf ?? node.oneOf;
  if (members === undefined) return [node];
  return members.filter(({ pattern }) => pattern !== PLACEHOLDER_PATTERN).flatMap(formsOf);
}

function valueOf(node: SchemaNode): string {
  if (node.const !== undefined) return code(node.const);
  if (node.enum !== undefined) return node.enum.map(code).join(", ");
  if (node.type === "array") return `list of ${[...new Set(formsOf(node.items ?? {}).map(valueOf))].join(" or ")}`;
  if (node.type === "integer") return range(node);
  if (node.type === "boolean") return "`true`, `false`";
  if (node.type === "object" || node.properties !== undefined) return "object";
  if (node.type !== "string") return node.type ?? "any";
  return NAMED_PATTERNS.get(node.pattern) ?? "text";
}

function range({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: SchemaNode): string {
  if (maximum < Number.MAX_SAFE_INTEGER) return `${minimum}–${maximum}`;
  return minimum >= 2 ** 20 ? "bytes" : "number";
}

/** A value as YAML has it. */
function code(value: unknown): string {
  return `\`${yaml(value).replaceAll("|", "\\|")}\``;
}

function yaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yaml).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([key, child]) => `${key}: ${yaml(child)}`)
    .join(", ")} }`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
