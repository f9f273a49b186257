/** Imports point inward, nothing imports in a circle, and each package has one room that imports it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { circles, files, imports, isProduct, packageOf } from "./import_graph.ts";
import { COMPOSE, MAY, room } from "./rooms.ts";

/** The one room that imports each package. A name that ends in `/` stands for a scope. */
const HOMES: Readonly<Record<string, string>> = {
  "@clickhouse/client": "src/clickhouse",
  chdb: "src/clickhouse_server",
  croner: "src/intervals",
  hyparquet: "destinations/parquet",
  "hyparquet-writer": "destinations/parquet",
  yaml: "src/config",
  "fastest-levenshtein": "src/config",
  bullmq: "src/fleet",
  ioredis: "src/fleet",
  "node-cron": "src/fleet",
  hono: "src/web",
  "@hono/": "src/web",
  "prom-client": "src/web",
  uplot: "src/web",
  "@opentelemetry/": "src/telemetry",
  "@aws-sdk/": "destinations/store",
  "@smithy/signature-v4": "destinations/catalog",
  "snowflake-sdk": "destinations/snowflake",
  "@google-cloud/bigquery": "destinations/bigquery",
  commander: "src/cli",
  "cli-progress": "src/cli",
  "cli-table3": "src/cli",
  pino: "src/cli",
  "pino-pretty": "src/cli",
};

/** Packages that any room may import, and why: small, without state, and no door to another system. */
const ANYWHERE: Readonly<Record<string, string>> = {
  "p-limit": "limits how many calls run at once, wherever calls are made",
  "pretty-bytes": "formats sizes for people",
  zod: "checks what enters from outside: config, receipts, requests, records in Redis",
};

/** What every test may import, besides its own folder. */
const SHARED_TESTS = new Set(["support", "conformance"]);
/** Tests that another folder is made for: those that run the same story or suite over every destination. */
const OVER_DESTINATIONS = [
  "test/conformance/harnesses.ts",
  "test/chaos/",
  "test/destinations/engines/",
  "test/destinations/reading_order.test.ts",
  "test/destinations/sql/",
  "test/destinations/warehouse_formats.test.ts",
];

const homeOf = (name: string): string | undefined =>
  HOMES[name] ?? Object.entries(HOMES).find(([scope]) => scope.endsWith("/") && name.startsWith(scope))?.[1];

suite("the import graph", () => {
  const product = imports.filter(({ file }) => isProduct(file));
  const packages = product.flatMap(({ file, target }) => {
    const name = packageOf(target);
    return name === undefined ? [] : [{ file, name }];
  });
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Record<string, Record<string, string>>;
  const dependencies = Object.keys({ ...manifest["dependencies"], ...manifest["optionalDependencies"] });

  test("the import graph was read", () => {
    assert.ok(imports.length > 1000);
    assert.ok(imports.some(({ target }) => target === "@clickhouse/client"));
  });

  test("every room has a rule for its imports", () => {
    const known = new Set([...Object.keys(MAY), ...COMPOSE]);
    const rooms = [...new Set(files.filter(isProduct).map(room))];
    assert.deepEqual(
      rooms.filter((name) => !known.has(name)),
      [],
    );
  });

  test("imports point inward", () => {
    const wrong = product.filter(({ file, target }) => {
      const from = room(file);
      if (COMPOSE.includes(from) || !isProduct(target)) return false;
      const to = room(target);
      const allowed = MAY[from] ?? [];
      return to !== from && !allowed.includes(to) && !allowed.includes(target);
    });
    assert.deepEqual(
      wrong.map(({ file, target }) => `${file} imports ${target}`),
      [],
    );
  });

  test("the product imports nothing of the tests, the bench or the scripts", () => {
    assert.deepEqual(
      product.filter(({ target }) => /^(test|bench|scripts)\//.test(target)),
      [],
    );
  });

  test("no files import each other in a circle, types included", () => {
    const found = circles(imports).map((group) => group.join(", "));
    assert.deepEqual(found, []);
  });

  test("a circle of types is found", () => {
    const graph = [
      { file: "a", target: "b" },
      { file: "b", target: "c" },
      { file: "c", target: "b" },
      { file: "d", target: "a" },
      { file: "e", target: "e" },
    ];
    assert.deepEqual(circles(graph), [["b", "c"], ["e"]]);
  });

  test("every dependency has a room that imports it, or a reason to be imported anywhere", () => {
    assert.deepEqual(
      dependencies.filter((name) => homeOf(name) === undefined && ANYWHERE[name] === undefined),
      [],
    );
  });

  test("every home is that of a dependency", () => {
    const stale = [...Object.keys(HOMES), ...Object.keys(ANYWHERE)].filter(
      (home) => !dependencies.some((name) => name === home || (home.endsWith("/") && name.startsWith(home))),
    );
    assert.deepEqual(stale, []);
  });

  test("every dependency is imported", () => {
    // The engine is optional and loaded by name; charts are drawn by browsers, which get their library as a file.
    const byName = new Set(["chdb", "uplot"]);
    const unused = dependencies.filter((name) => !byName.has(name) && !packages.some((one) => one.name === name));
    assert.deepEqual(unused, []);
  });

  test("the product imports only packages it depends on", () => {
    assert.deepEqual(
      packages.filter(({ name }) => !dependencies.includes(name)),
      [],
    );
  });

  test("a package is imported only by its home", () => {
    const strangers = packages
      .filter(({ file, name }) => ANYWHERE[name] === undefined && room(file) !== homeOf(name))
      .map(({ file, name }) => `${file} imports ${name}`);
    assert.deepEqual(strangers, []);
  });

  test("the config imports nothing but types from destinations", () => {
    const wrong = files.filter((file) => {
      const text = room(file) === "src/config" ? readFileSync(file, "utf8") : "";
      return /(?:^|\n)import (?!type )[^;]*?from "[./]+\/destinations\/[^"]*options\.ts"/.test(text);
    });
    assert.deepEqual(wrong, []);
  });

  test("the folders of test import only each other's support and conformance", () => {
    const folder = (file: string): string => {
      const [, first = "", second = "", ...rest] = file.split("/");
      return first === "destinations" && rest.length > 0 ? `${first}/${second}` : first;
    };
    const strangers = imports
      .filter(({ file, target }) => /^test\/.+\//.test(file) && /^test\/.+\//.test(target))
      .filter(({ file, target }) => folder(file) !== folder(target) && !SHARED_TESTS.has(folder(target)))
      // Files of test/destinations itself are for the folders in it.
      .filter(({ file, target }) => !folder(file).startsWith(`${folder(target)}/`))
      .filter(({ file }) => !OVER_DESTINATIONS.some((one) => file.startsWith(one)));
    assert.deepEqual(strangers, []);
  });
});
