/** Texts and bytes that are almost right: those of a corpus, changed in a few places. */
import fc from "fast-check";

/** What parsers trip over. */
const TOKENS = [
  "",
  "\0",
  "\uFEFF",
  "\u202E",
  "🦊",
  "\uD800",
  "\r\n",
  "\t",
  "'",
  '"',
  "`",
  "\\",
  "{}",
  "[]",
  "[[[[[[[[",
  "${",
  "${A:-${A}}",
  "$${",
  "&a *a",
  "<<: *x",
  "!!binary x",
  "null",
  "NaN",
  "-1",
  "0",
  "1e309",
  "9223372036854775808",
  "99999999999999999999999999",
  "0x10",
  "1_000",
  "__proto__",
  "constructor",
  "../",
  "..\\..\\",
  "%2e%2e%2f",
  "//",
  ":",
  ",",
  ";",
  "#",
  "*",
  "*/0",
  "1-0",
  "60 24 32 13 8",
  "L",
  "2026-02-30",
  "9999-12-31T23:59:60Z",
  "-271821-04-20",
  "a".repeat(5000),
  "{year}{month}{day}{hour}",
  "{export",
  "<a>".repeat(300),
];

type Change = (text: string) => string;

const change: fc.Arbitrary<Change> = fc
  .tuple(
    fc.constantFrom("insert" as const, "replace" as const, "remove" as const, "repeat" as const, "swap" as const),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(40),
    fc.oneof(fc.constantFrom(...TOKENS), fc.string({ maxLength: 8, unit: "binary" })),
  )
  .map(([kind, place, length, token]): Change => (text) => {
    const at = Math.floor(place * text.length);
    const [before, some, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
    switch (kind) {
      case "insert":
        return before + token + some + after;
      case "replace":
        return before + token + after;
      case "remove":
        return before + after;
      case "repeat":
        return before + some.repeat(3) + after;
      case "swap":
        return after + some + before;
      default:
        return kind satisfies never;
    }
  });

/** A text of the corpus with up to five changes, or something else altogether. */
export function texts(corpus: readonly string[]): fc.Arbitrary<string> {
  const almost = fc
    .tuple(fc.constantFrom(...corpus), fc.array(change, { maxLength: 5 }))
    .map(([text, changes]) => changes.reduce((changed, each) => each(changed), text).slice(0, 100_000));
  return fc.oneof({ weight: 9, arbitrary: almost }, { weight: 1, arbitrary: fc.string({ unit: "binary" }) });
}

/** Bytes of the corpus with some of them changed, cut off, or with more behind. */
export function bytes(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(
      fc.constantFrom(...corpus),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { maxLength: 6 }),
      fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: 1, freq: 3 }),
      fc.uint8Array({ maxLength: 3 }),
    )
    .map(([original, changes, keep, more]) => {
      const changed = Uint8Array.from(original);
      for (const [place, value] of changes) changed[Math.floor(place * (changed.length - 1))] = value;
      return Uint8Array.from([...changed.subarray(0, Math.ceil(keep * changed.length)), ...more]);
    });
}

/** Values as JSON has them, small. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...TOKENS),
  fc.constantFrom(undefined, Number.NaN, -1, 1.5, 2 ** 60, new Date(Number.NaN), new Date(0), []),
);
