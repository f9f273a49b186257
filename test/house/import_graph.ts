/** Every import statement of the sources, types included, as the house's tests see it. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface Import {
  readonly file: string;
  /** The imported file, from the root of the repository, or the package as it is written. */
  readonly target: string;
}

const STATEMENT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g;

export const files = globSync("{src,destinations,test,bench,scripts}/**/*.ts").sort();

export const imports: readonly Import[] = files.flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(STATEMENT)].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? "";
    return { file, target: target.startsWith(".") ? normalize(join(dirname(file), target)) : target };
  }),
);

/** Whether the file belongs to the product, not to what tests, measures or writes it. */
export const isProduct = (file: string): boolean => /^(src|destinations)\//.test(file);

/** `@scope/name/path` → `@scope/name`; undefined for files and for Node's own modules. */
export function packageOf(target: string): string | undefined {
  if (/^(src|destinations|test|bench|scripts)\//.test(target) || target.startsWith("node:")) return undefined;
  return target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
}

/**
 * The groups of files that import each other in a circle, each sorted (Tarjan's strongly connected components). Types
 * count: they don't fail at run time, but a reader can't understand either file without the other.
 */
export function circles(graph: readonly Import[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { file, target } of graph) targets.set(file, [...(targets.get(file) ?? []), target]);
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const low = (file: string): number => lowest.get(file) ?? 0;
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.size - 1);
    stack.push(file);
    for (const target of targets.get(file) ?? []) {
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) lowest.set(file, Math.min(low(file), low(target)));
    }
    if (low(file) !== order.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || (targets.get(file) ?? []).includes(file)) found.push(group.sort());
  };
  for (const file of [...targets.keys()].sort()) if (!order.has(file)) visit(file);
  return found;
}
