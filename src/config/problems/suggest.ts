import { distance } from "fastest-levenshtein";

const letters = (word: string): string => Array.from(word).sort().join("");

/** Letters in another order are one slip, not two. */
function stepsBetween(one: string, other: string): number {
  return one !== other && letters(one) === letters(other) ? 1 : distance(one, other);
}

/** The known name that was most likely meant; undefined where none is close. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const wanted = given.toLowerCase();
  let best: { readonly name: string; readonly steps: number } | undefined;
  for (const name of known) {
    const steps = stepsBetween(wanted, name.toLowerCase());
    if (best === undefined || steps < best.steps) best = { name, steps };
  }
  // A third of the longer name: enough for two slips in a word, too little to offer what was not meant.
  const allowed = best === undefined ? 0 : Math.max(1, Math.floor(Math.max(given.length, best.name.length) / 3));
  return best !== undefined && best.steps <= allowed ? best.name : undefined;
}

/** `Did you mean "x"?`, or the list of what there is. */
export function suggestion(given: unknown, known: readonly string[], noun: string): string {
  const name = typeof given === "string" ? nearest(given, known) : undefined;
  if (name !== undefined) return `Did you mean "${name}"?`;
  return known.length === 0 ? `There is no ${noun}.` : `There is: ${known.join(", ")}.`;
}
