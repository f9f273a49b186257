/** What scripts/error_codes.ts and scripts/glossary.ts read out of the sources. `npm run check` compares the pages themselves. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { codeProblems, codeSites, sitesIn } from "../../scripts/error_codes.ts";
import { definedTwice, terms, termsIn } from "../../scripts/glossary.ts";

const FILE = "destinations/store/example.ts";
const only = (text: string): Pick<ReturnType<typeof sitesIn>[number], "code" | "remedy" | "hint" | "room"> => {
  const [site = assert.fail("no code was found"), ...others] = sitesIn(FILE, text);
  assert.deepEqual(others, []);
  const { code, remedy, hint, room } = site;
  return { code, remedy, hint, room };
};

suite("the page of error codes", () => {
  test("the scan of error codes reads a call of giveUp that spans lines", () => {
    assert.deepEqual(only('return giveUp(\n  "store.a",\n  `Allow ${user.name({ a: "}" })}: ` +\n    "now."\n);'), {
      code: "store.a",
      remedy: "give-up",
      hint: "Allow …: now.",
      room: "destinations/store",
    });
  });

  test("the scan of error codes reads an object with code, remedy and hint", () => {
    const text = 'throw new E(m, { code: "store.b", remedy: "retry", hint: one ? "First way." : "Second way." });';
    assert.deepEqual(only(text), {
      code: "store.b",
      remedy: "retry",
      hint: "First way. / Second way.",
      room: "destinations/store",
    });
  });

  test("the scan of error codes follows a hint that is a constant", () => {
    assert.equal(
      only('const hint = "Do this, then that.";\nreturn retry("store.c", hint);').hint,
      "Do this, then that.",
    );
  });

  test("a code that is only compared has no remedy, and a code in a comment is none", () => {
    assert.equal(only('if (error.code === "store.d") return;').remedy, undefined);
    assert.deepEqual(sitesIn(FILE, '  // throws "store.e"\n /**\n  * "store.f"\n */'), []);
  });

  test("a code with another room's prefix, and a code that only a page knows, are problems", () => {
    const sites = sitesIn(FILE, 'giveUp("lake.g", "Do it.")');
    const pages = new Map([["README.md", "`store.h`, `lake.g` and the key `http.token`"]]);
    assert.deepEqual(codeProblems(sites, pages, new Set(["token"])), [
      "destinations/store/example.ts makes lake.g, whose prefix belongs to another room",
      "README.md mentions store.h, which no source makes",
    ]);
  });

  test("the sources have error codes", () => {
    assert.ok(new Set(codeSites().map(({ code }) => code)).size > 100);
  });
});

suite("the glossary", () => {
  test("the entries of a Terminology block are found, those of several lines too", () => {
    const text = "/**\n * About.\n *\n * Terminology\n * - one: first,\n *   and more.\n * - two: 2: two.\n */";
    assert.deepEqual(
      termsIn("a.ts", text).map(({ word, meaning }) => [word, meaning]),
      [
        ["one", "first, and more."],
        ["two", "2: two."],
      ],
    );
  });

  test("no word of the product is defined twice", () => {
    assert.ok(terms().length > 5);
    assert.deepEqual(definedTwice(terms()), []);
  });
});
