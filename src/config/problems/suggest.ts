import { distance } from "fastest-levenshtein";

const letters = (word: string): string => Array.from(word).sort().join("");

/** Swapped letters count as one typo, not two. */
function stepsBetween(one: string, other: string): number {
  return one !== other && letters(one) === letters(other) ? 1 : distance(one, other);
}

/** The known name that is closest; undefined if none is close. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const wanted = given.toLowerCase();
  let best: { readonly name: string; readonly steps: number } | undefined;
  for (const name of known) {
    const steps = stepsBetween(wanted, name.toLowerCase());
    if (best === undefined || steps < best.steps) best = { name, steps };
  }
  // A third of the longer name: enough for two typos in a word, too little to suggest an unrelated one.
  const allowed = best === undefined ? 0 : Math.max(1, Math.floor(Math.max(given.length, best.name.length) / 3));
  return best !== undefined && best.steps <= allowed ? best.name : undefined;
}

/** `Did you mean "x"?`, or the list of known names. */
export function suggestion(given: unknown, known: readonly string[], noun: string): string {
  const name = typeof given === "string" ? nearest(given, known) : undefined;
  if (name !== undefined) return `Did you mean "${name}"?`;
  return known.length === 0 ? `There is no ${noun}.` : `There is: ${known.join(", ")}.`;
}
