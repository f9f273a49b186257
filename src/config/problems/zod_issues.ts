/** Turns zod's issues into problems. No sentence repeats a value. */
import type * as z from "zod";
import type { SubstitutedTree } from "../values/env.ts";
import { describedAt, formOf, type SchemaNode } from "./schema_node.ts";
import { isRecord, type Path, valueAt } from "./path.ts";
import type { Report } from "./problems.ts";
import { nearest, suggestion } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

const pathOf = (path: readonly PropertyKey[]): Path =>
  path.map((part) => (typeof part === "number" ? part : String(part)));

/** The issues of a member of a union, with their paths from the top. */
function below({ path }: Issue, inner: readonly Issue[]): Issue[] {
  return inner.map((one) => ({ ...one, path: [...path, ...one.path] }));
}

/** The issues of the union's member that the value comes closest to. None if several are equally close. */
function closest(issue: z.core.$ZodIssueInvalidUnion): readonly Issue[] {
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

/** Replaces the issue of a union with those of its closest member. */
function expandUnion(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    const inner = issue.code === "invalid_union" ? closest(issue) : [];
    return inner.length > 0 ? expandUnion(inner) : [issue];
  });
}

/** Whether this value would solve the issue, in a union for any member. */
function accepts(issue: Issue, value: number | boolean): boolean {
  if (issue.code === "invalid_type") {
    return typeof value === "boolean" ? issue.expected === "boolean" : ["number", "int"].includes(issue.expected);
  }
  if (issue.code === "invalid_value") return issue.values.includes(value);
  return (
    issue.code === "invalid_union" &&
    issue.errors.some((issues) => issues.some((one) => one.path.length === 0 && accepts(one, value)))
  );
}

const NUMBER = /^[+-]?\d+(?:\.\d+)?$/;

/** The number or flag that the text spells. */
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
 * Variables hold only text. If the schema needs a number or a flag and the whole value is one placeholder, the text is
 * parsed as such. Undefined if there is no such value.
 */
export function coerce({ tree, origins }: SubstitutedTree, issues: readonly Issue[]): unknown {
  let changed: { readonly tree: unknown } | undefined;
  for (const origin of origins.values()) {
    const value = origin.whole ? plainValue(origin.text) : undefined;
    if (value === undefined) continue;
    const asked = flatten(issues).some((issue) => samePath(pathOf(issue.path), origin.path) && accepts(issue, value));
    if (asked) changed = { tree: withValue((changed ?? { tree }).tree, origin.path, value) };
  }
  return changed?.tree;
}

const samePath = (one: Path, other: Path): boolean =>
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

/** A value as YAML writes it on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (isRecord(value)) {
    const items = Object.entries(value).map(([key, item]) => `${key}: ${flow(item)}`);
    return `{ ${items.join(", ")} }`;
  }
  return typeof value === "string" && /^[\w./][\w./: +-]*$/.test(value) ? value : JSON.stringify(value);
}

/** What belongs at a place: the schema's description, with an example. */
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

/** Reports each issue at its place: an unknown key, an unknown type of destination, or a value that doesn't fit. */
export function reportIssues(issues: readonly Issue[], tree: unknown, schema: SchemaNode, report: Report): void {
  for (const issue of expandUnion(issues)) {
    const path = pathOf(issue.path);
    const node = describedAt(schema, path, tree);
    if (issue.code === "unrecognized_keys") reportUnknownKeys(issue.keys, path, valueAt(tree, path), node, report);
    else if (issue.code === "invalid_union" && issue.discriminator !== undefined) {
      const given = valueAt(tree, path);
      const known = ((issue as { options?: readonly unknown[] }).options ?? []).map(String);
      report.add(path, given === undefined ? "is missing" : "not a known type", suggestion(given, known, "type"));
    } else report.add(path, messageOf(issue), fixOf(issue, path, node));
  }
}

/** In order of precedence: the fix of our own parser, the known value that is nearest, the description of the place. */
function fixOf(issue: Issue, path: Path, node: SchemaNode | undefined): string {
  const own: unknown = issue.code === "custom" ? issue.params?.["fix"] : undefined;
  if (typeof own === "string") return own;
  if (issue.code === "invalid_value" && issue.input !== undefined && issue.input !== null) {
    return suggestion(issue.input, issue.values.map(String), "value");
  }
  if (path.length === 0) return "`replayport init` writes a config to start from.";
  return help(node, path.at(-1)) || "Remove the key.";
}

function reportUnknownKeys(
  keys: readonly string[],
  path: Path,
  given: unknown,
  node: SchemaNode | undefined,
  report: Report,
): void {
  const known = Object.keys((node && formOf(node, given)?.properties) ?? {});
  const unused = known.filter((key) => !isRecord(given) || !Object.hasOwn(given, key));
  for (const key of keys) report.add([...path, key], "unknown key", unknownKey(key, unused), "key");
}

function unknownKey(key: string, unused: readonly string[]): string {
  const name = nearest(key, unused);
  if (name !== undefined) return `Did you mean "${name}"?`;
  return unused.length === 0 ? "Remove it." : `Remove it, or write one of: ${unused.join(", ")}.`;
}
