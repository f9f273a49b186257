/** Which values no message and no log may show. */
import type { SubstitutedTree } from "./values/env.ts";
import { isRecord, type Path } from "./problems/path.ts";

const SECRET_NAME = /passw|passphrase|secret|token|salt|credential|private_?key|access_?key|api_?key|webhook/i;

/**
 * Goes by the name of the key, so that a password in a section where it does not belong, or of a destination that has no
 * schema, is hidden as well. Names that the user chose (of exports and destinations) do not count.
 */
export function isSecretPath(path: Path): boolean {
  const own = path[0] === "destinations" || path[0] === "exports" ? path.slice(2) : path;
  return own.some((part) => typeof part === "string" && SECRET_NAME.test(part));
}

/**
 * An address without what is nobody's business. Where one may hold a password (before an @, or in a query), nothing of it is
 * left: an address that is wrong cannot be taken apart with certainty.
 */
export function maskUrl(text: string): string {
  return text.replace(/\/\/.*[@?].*$/s, "//[redacted]");
}

/** Every secret of the config, longest first, so that a log which replaces them in turn leaves no rest of one. */
export function collectSecrets({ tree, origins }: SubstitutedTree): string[] {
  const found = new Set<string>();
  const visit = (value: unknown, path: Path): void => {
    if (typeof value === "string" && isSecretPath(path)) found.add(value);
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
