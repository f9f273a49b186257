/** JSON in which integers survive: snapshot ids of other writers have 63 bits, and JSON.parse rounds what is beyond 53. */

/** TypeScript's library doesn't know these two yet. Node.js has both since 21. */
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** Integers that a number can't hold become bigints. @throws SyntaxError */
export function parseJson(text: string): unknown {
  return parse(text, (_key, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
      ? BigInt(source)
      : value,
  );
}

/** Bigints become integers. */
export function printJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? rawJSON(String(part)) : part));
}
