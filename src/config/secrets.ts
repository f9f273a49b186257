/** Which values no message and no log may show. */
import { isRecord, type Path } from "./problems/path.ts";
import type { SchemaNode } from "./problems/schema_node.ts";
import type { Environment, SubstitutedTree } from "./values/env.ts";

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

/** Headers of a collector: `name=value,name=value`, encoded as in a URL. */
const OTLP_HEADERS = /^OTEL_EXPORTER_OTLP_(?:\w+_)?HEADERS$/;
/** Says where a secret is. */
const PLACE = /_(?:FILE|PATH|DIR|DIRECTORY|ARN|SOCK|URI)$|^GOOGLE_APPLICATION_CREDENTIALS$/;
/** A shorter value with such a name is more often a flag than a secret. */
const SHORTEST_VALUE = 8;

/** What isn't in the config, but read by libraries: the keys of AWS's default chain, a collector's headers, others' tokens. */
export function environmentSecrets(env: Environment): string[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    if (OTLP_HEADERS.test(name)) return headerValues(value);
    return SECRET_NAME.test(name) && !PLACE.test(name) && value.length >= SHORTEST_VALUE ? [value] : [];
  });
}

function headerValues(headers: string): string[] {
  return headers.split(",").flatMap((header) => {
    const value = header.slice(header.indexOf("=") + 1).trim();
    const plain = decoded(value);
    // `Bearer <key>`: the key alone is the secret.
    return [value, plain, ...plain.split(/\s+/)].filter((one) => one.length >= SHORTEST_VALUE);
  });
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
