import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BASE, EXPORT, type Fields, problemsOf, S3 } from "./parse.ts";

suite("exports that write to one folder", () => {
  const two = (first: Fields, second: Fields, destinations: Fields = BASE["destinations"] as Fields): Fields => ({
    ...BASE,
    destinations,
    exports: { "replays-b": { ...EXPORT, ...first }, replays: { ...EXPORT, ...second } },
  });
  const message = "writes to the same folder as the export replays-b";

  test("two exports collide by a path that adds to the name", async () => {
    const [problem, ...others] = await problemsOf(two({}, { path: "{export}-b/dt={year}-{month}-{day}" }));
    assert.equal(problem?.path, "exports.replays");
    assert.equal(problem?.message, message);
    assert.deepEqual(others, []);
  });
  test("two exports collide by placeholders that can be equal", async () => {
    const found = await problemsOf(two({ path: "{export}/{month}" }, { path: "{export}-b/{day}" }));
    assert.deepEqual(
      found.map(({ message: text }) => text),
      [message],
    );
  });
  test("two exports collide by destinations at the same place", async () => {
    const destinations = { local: { type: "file", path: "./lake" }, twin: { type: "file", path: "lake/../lake/" } };
    const found = await problemsOf(
      two({}, { destination: "twin", path: "{export}-b/dt={year}-{month}-{day}" }, destinations),
    );
    assert.deepEqual(
      found.map(({ message: text }) => text),
      [message],
    );
  });
  test("two exports collide by a prefix that equals a folder", async () => {
    const destinations = { local: { ...S3, prefix: "a" }, all: S3 };
    const found = await problemsOf(
      two({ path: "b/{export}" }, { destination: "all", path: "a/b/{export}-b" }, destinations),
    );
    assert.deepEqual(
      found.map(({ message: text }) => text),
      [message],
    );
  });
});
