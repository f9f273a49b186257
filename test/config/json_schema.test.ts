import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { configJsonSchema } from "../../src/config/problems/json_schema.ts";
import type { SchemaNode } from "../../src/config/problems/schema_node.ts";
import { initTemplate } from "../../src/config/template.ts";
import { accepts } from "./json_schema.ts";
import { BASE, EXPORT, type Fields, S3, withExport, withS3 } from "./parse.ts";

const root = new URL("../../", import.meta.url);
const schema = configJsonSchema();
const taken = (config: unknown): boolean => accepts(schema as Fields, config);

test("schema/schedules.json is current", async () => {
  assert.deepEqual(JSON.parse(await readFile(new URL("schema/schedules.json", root), "utf8")), schema);
  await promisify(execFile)(process.execPath, ["scripts/write-schema.ts", "--check"], { cwd: root });
});

suite("the JSON Schema takes what the parser takes", () => {
  const right: Readonly<Record<string, unknown>> = {
    "the example": parse(initTemplate(new Date())),
    "the least config": BASE,
    placeholders: withExport({
      team_id: "${TEAM}",
      format: "${FORMAT:-csv}",
      settle: "${SETTLE}",
      rows_per_file: "${ROWS}",
      limits: { memory: "${MEMORY}", threads: "${THREADS}" },
      sweep: "${SWEEP}",
      where: { size: { min: "${MIN}" } },
    }),
    "a list of teams": withExport({ team_id: [1, "${TEAM}"] }),
    "all teams": withExport({ team_id: "all" }),
    "no sweep": withExport({ sweep: false }),
    "a model in SQL": withExport({ model: { sql: "a.sql", key: ["a"] } }),
    "a size in bytes": withExport({ limits: { memory: 4_294_967_296 } }),
    "a bucket": withS3({ prefix: "a", encryption: "AES256", force_path_style: "${PATH_STYLE}", region: "${REGION}" }),
    "a bucket by a placeholder": withS3({ bucket: "acme-${STAGE}" }),
  };
  for (const [name, config] of Object.entries(right)) test(name, () => assert.ok(taken(config)));
});

suite("the JSON Schema refuses what the parser refuses", () => {
  const wrong: Readonly<Record<string, unknown>> = {
    nothing: {},
    "an unknown key": { ...BASE, exprots: {} },
    "two sources": { ...BASE, source: { embedded: "a", clickhouse: { url: "b" } } },
    "an unknown type": { ...BASE, destinations: { local: { type: "s4" } } },
    "a key of another type": withS3({ path: "x" }),
    "a bucket with capitals": withS3({ bucket: "Acme" }),
    "a name with capitals": { ...BASE, exports: { Replays: EXPORT } },
    "an unknown format": withExport({ format: "xml" }),
    "a duration without unit": withExport({ settle: "5" }),
    "a duration as a number": withExport({ settle: 5 }),
    "a size in another unit": withExport({ limits: { memory: "4 gigs" } }),
    "a team by name": withExport({ team_id: "acme" }),
    "no start": { ...BASE, exports: { a: { ...S3 } } },
    "a sweep that is true": withExport({ sweep: true }),
  };
  for (const [name, config] of Object.entries(wrong)) test(name, () => assert.ok(!taken(config)));
});

test("every key has its help", () => {
  const bare: string[] = [];
  const visit = (node: SchemaNode, path: string): void => {
    for (const [key, item] of Object.entries(node.properties ?? {})) {
      if (item.description === undefined) bare.push(`${path}.${key}`);
      visit(item, `${path}.${key}`);
    }
    for (const item of [...(node.anyOf ?? []), ...(node.oneOf ?? []), node.items, node.additionalProperties]) {
      if (item) visit(item, path);
    }
  };
  visit(schema, "");
  assert.deepEqual(bare, []);
});

test("every example in the help is taken at its place", () => {
  const visit = (node: SchemaNode, path: string): void => {
    for (const example of node.examples ?? [])
      assert.ok(accepts(node as Fields, example), `${path}: ${String(example)}`);
    for (const [key, item] of Object.entries(node.properties ?? {})) visit(item, `${path}.${key}`);
    for (const item of [...(node.anyOf ?? []), ...(node.oneOf ?? []), node.items, node.additionalProperties]) {
      if (item) visit(item, path);
    }
  };
  visit(schema, "");
});
