import { distance } from "fastest-levenshtein";

const letters = (word: string): string => Array.from(word).sort().join("");

/** Swapped letters count as one typo, not two. */
function stepsBetween(one: string, other: string): number {
  return one !== other && letters(one) === letters(other) ? 1 : distance(one, other);
}

/** Nobody mistypes a name this long, and comparing texts takes the product of their lengths. */
const LONGEST = 200;

/** The known name that is closest; undefined if none is close. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (given.length > LONGEST) return undefined;
  const wanted = given.toLowerCase();
  let best: { readonly name: string; readonly steps: number } | undefined;
  for (const name of known) {
    // A third of the longer name: enough for two typos in a word, too little to suggest an unrelated one.
    const allowed = Math.max(1, Math.floor(Math.max(given.length, name.length) / 3));
    if (Math.abs(given.length - name.length) > allowed) continue;
    const steps = stepsBetween(wanted, name.toLowerCase());
    if (steps <= allowed && (best === undefined || steps < best.steps)) best = { name, steps };
  }
  return best?.name;
}

/** `Did you mean "x"?`, or the list of known names. */
export function suggestion(given: unknown, known: readonly string[], noun: string): string {
  const name = typeof given === "string" ? nearest(given, known) : undefined;
  if (name !== undefined) return `Did you mean "${name}"?`;
  return known.length === 0 ? `There is no ${noun}.` : `There is: ${known.join(", ")}.`;
}
