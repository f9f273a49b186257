/** What zod found, in sentences that name no value. */
import type * as z from "zod";
import type { SubstitutedTree } from "../values/env.ts";
import { describedAt, formOf, type SchemaNode } from "./schema_node.ts";
import { isRecord, type Path, valueAt } from "./path.ts";
import type { Report } from "./problems.ts";
import { nearest, suggestion } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

const place = (path: readonly PropertyKey[]): Path =>
  path.map((part) => (typeof part === "number" ? part : String(part)));

/** The issues of a member of a union, with their paths from the top. */
function below({ path }: Issue, inner: readonly Issue[]): Issue[] {
  return inner.map((one) => ({ ...one, path: [...path, ...one.path] }));
}

/** The issues of the member of a union that the value seems to be; none where several could be meant. */
function meant(issue: z.core.$ZodIssueInvalidUnion): readonly Issue[] {
  const close = issue.errors.filter((issues) =>
    issues.every(
      (one) =>
        one.path.length > 0 ||
        (one.code !== "invalid_type" && (one.code !== "invalid_value" || typeof issue.input === "string")),
    ),
  );
  const deep = close.filter((issues) => issues.some((one) => one.path.length > 0));
  const [only, ...others] = deep.length > 0 ? deep : close;
  if (!only || others.length > 0) return [];
  return below(issue, only);
}

/** Issues with those of unions spread out. */
function spread(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    const inner = issue.code === "invalid_union" ? meant(issue) : [];
    return inner.length > 0 ? spread(inner) : [issue];
  });
}

/** Whether the issue, or a member of a union in it, wants this value at this place. */
function wants(issue: Issue, value: number | boolean): boolean {
  if (issue.code === "invalid_type") {
    return typeof value === "boolean" ? issue.expected === "boolean" : ["number", "int"].includes(issue.expected);
  }
  if (issue.code === "invalid_value") return issue.values.includes(value);
  return (
    issue.code === "invalid_union" &&
    issue.errors.some((issues) => issues.some((one) => one.path.length === 0 && wants(one, value)))
  );
}

const NUMBER = /^[+-]?\d+(?:\.\d+)?$/;

/** The number or the flag that a text stands for. */
export function plainValue(text: string): number | boolean | undefined {
  if (NUMBER.test(text)) return Number(text);
  return text === "true" || text === "false" ? text === "true" : undefined;
}

function withValue(tree: unknown, path: Path, value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(tree)) return tree.map((item, index) => (index === first ? withValue(item, rest, value) : item));
  if (!isRecord(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, item]) => [key, key === first ? withValue(item, rest, value) : item]),
  );
}

/**
 * The environment holds only text. Where the schema wants a number or a flag and the whole value is one placeholder, the
 * text is read as such. Undefined where there is nothing of the kind.
 */
export function coerce({ tree, origins }: SubstitutedTree, issues: readonly Issue[]): unknown {
  let changed: { readonly tree: unknown } | undefined;
  for (const origin of origins.values()) {
    const value = origin.whole ? plainValue(origin.text) : undefined;
    if (value === undefined) continue;
    const asked = flatten(issues).some((issue) => samePlace(place(issue.path), origin.path) && wants(issue, value));
    if (asked) changed = { tree: withValue((changed ?? { tree }).tree, origin.path, value) };
  }
  return changed?.tree;
}

const samePlace = (one: Path, other: Path): boolean =>
  one.length === other.length && one.every((part, index) => String(part) === String(other[index]));

/** All issues, those of every member of every union included. */
function flatten(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) =>
    issue.code === "invalid_union"
      ? [issue, ...issue.errors.flatMap((inner) => flatten(below(issue, inner)))]
      : [issue],
  );
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping of keys",
  record: "a mapping of keys",
};

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return { string: "a text", number: "a number", boolean: "a flag" }[typeof value as string] ?? "a mapping of keys";
}

/** A value as it stands in YAML, on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (isRecord(value)) {
    const items = Object.entries(value).map(([key, item]) => `${key}: ${flow(item)}`);
    return `{ ${items.join(", ")} }`;
  }
  return typeof value === "string" && /^[\w./][\w./: +-]*$/.test(value) ? value : JSON.stringify(value);
}

/** What belongs there, from the schema's own description. */
function help(node: SchemaNode | undefined, key: string | number | undefined): string {
  const [example] = node?.examples ?? [];
  const written = example === undefined ? "" : flow(example);
  const sample = typeof key === "string" && written !== "" ? `${key}: ${written}` : written;
  return [node?.description ?? "", sample === "" ? "" : `For example: ${sample}`].filter(Boolean).join(" ");
}

function messageOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "is missing";
      if (issue.input === null) return "is empty";
      if (issue.expected === "int") return "not a whole number";
      return `needs ${KINDS[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case "too_small":
      if (issue.origin === "string" && issue.minimum === 1) return "is empty";
      if (issue.origin === "string") return `shorter than ${issue.minimum} characters`;
      if (issue.origin === "array") return "the list is empty";
      return `less than ${issue.minimum}`;
    case "too_big":
      return `more than ${issue.maximum}`;
    case "invalid_value":
      return "not a known value";
    case "invalid_format":
      return "not of the right form";
    case "custom":
      return issue.message;
    case "invalid_union":
    case "invalid_key":
    case "invalid_element":
    case "unrecognized_keys":
    case "not_multiple_of":
      if (issue.input === undefined) return "is missing";
      return issue.input === null ? "is empty" : "not a value that fits";
  }
}

export function reportIssues(issues: readonly Issue[], tree: unknown, schema: SchemaNode, report: Report): void {
  for (const issue of spread(issues)) {
    const path = place(issue.path);
    const node = describedAt(schema, path, tree);
    if (issue.code === "unrecognized_keys") {
      const here = valueAt(tree, path);
      const known = Object.keys((node && formOf(node, here)?.properties) ?? {});
      const unused = known.filter((key) => !isRecord(here) || !Object.hasOwn(here, key));
      for (const key of issue.keys) report.add([...path, key], "unknown key", unknownKey(key, unused), "key");
      continue;
    }
    if (issue.code === "invalid_union" && issue.discriminator !== undefined) {
      const given = valueAt(tree, path);
      const known = ((issue as { options?: readonly unknown[] }).options ?? []).map(String);
      report.add(path, given === undefined ? "is missing" : "not a known type", suggestion(given, known, "type"));
      continue;
    }
    const fix: unknown = issue.code === "custom" ? issue.params?.["fix"] : undefined;
    const choice =
      issue.code === "invalid_value" && issue.input !== undefined && issue.input !== null
        ? suggestion(issue.input, issue.values.map(String), "value")
        : undefined;
    const described = path.length === 0 ? "`replayport init` writes a config to start from." : help(node, path.at(-1));
    report.add(path, messageOf(issue), typeof fix === "string" ? fix : (choice ?? (described || "Remove the key.")));
  }
}

function unknownKey(key: string, unused: readonly string[]): string {
  const name = nearest(key, unused);
  if (name !== undefined) return `Did you mean "${name}"?`;
  return unused.length === 0 ? "Remove it." : `Remove it, or write one of: ${unused.join(", ")}.`;
}
