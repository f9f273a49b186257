/** Which values no message and no log may show. */
import { isRecord, type Path } from "./problems/path.ts";
import type { SchemaNode } from "./problems/schema_node.ts";
import type { SubstitutedTree } from "./values/env.ts";

/**
 * The second line of defence: hides a password whose key is misspelt, stands in the wrong section or belongs to a type of
 * destination that has no schema.
 */
export const SECRET_NAME = /passw|passphrase|secret|token|salt|credential|private_?key|access_?key|api_?key|webhook/i;

export type IsSecret = (path: Path) => boolean;

/**
 * A place is secret if any key on its way is marked as secret in the schema, wherever the schema has that key, or has a name
 * like a secret's. Names that the user chose (of exports and destinations) don't count.
 */
export function secretPaths(schema: SchemaNode): IsSecret {
  const marked = markedKeys(schema);
  return (path) => {
    const own = path[0] === "destinations" || path[0] === "exports" ? path.slice(2) : path;
    return own.some((part) => typeof part === "string" && (marked.has(part) || SECRET_NAME.test(part)));
  };
}

/** The keys that the schema marks as secret, at any depth. */
export function markedKeys(schema: SchemaNode): ReadonlySet<string> {
  const marked = new Set<string>();
  const visit = (node: SchemaNode): void => {
    for (const [key, property] of Object.entries(node.properties ?? {})) {
      if (property.writeOnly === true) marked.add(key);
      visit(property);
    }
    for (const member of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) visit(member);
    if (node.additionalProperties) visit(node.additionalProperties);
    if (node.items) visit(node.items);
  };
  visit(schema);
  return marked;
}

/** Every secret of the config, longest first: a log that replaces them in this order leaves no part of one. */
export function collectSecrets(
  { tree, origins }: SubstitutedTree,
  isSecret: IsSecret,
  ...others: readonly (string | undefined)[]
): string[] {
  const found = new Set<string>(others.filter((secret) => secret !== undefined));
  const visit = (value: unknown, path: Path): void => {
    if (typeof value === "string" && isSecret(path)) found.add(value);
    else if (Array.isArray(value)) value.forEach((item, index) => visit(item, [...path, index]));
    else if (isRecord(value)) for (const [key, item] of Object.entries(value)) visit(item, [...path, key]);
  };
  visit(tree, []);
  for (const { used } of origins.values()) {
    for (const { name, value } of used) if (SECRET_NAME.test(name)) found.add(value);
  }
  found.delete("");
  return [...found].sort((a, b) => b.length - a.length);
}
