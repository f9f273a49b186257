import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { parse } from "yaml";
import { configJsonSchema } from "../../src/config/problems/json_schema.ts";
import { parseTime } from "../../src/config/values/times.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import type { SchemaNode } from "../../src/config/problems/schema_node.ts";
import { initTemplate } from "../../src/config/template.ts";
import { accepts } from "./json_schema.ts";
import { BASE, EXPORT, type Fields, problemsOrNone, S3, withExport, withS3 } from "./parse.ts";
import { EXPORT_CONDITIONS } from "../../src/config/column_schema.ts";
import { SESSION_REPLAYS } from "../../src/models/session_replays.ts";

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
    "columns and values by placeholders": withExport(
      {
        columns: { include: ["${COLUMN}"], hash: ["block_urls", "${COLUMN}"] },
        where: { is_deleted: "${FLAG}", size: { min: "${MIN}" }, start_time: ["${DAY}"], team_id: ["${TEAM}", 2] },
      },
      { hash_salt: "${SALT}" },
    ),
    "any columns of a model in SQL": withExport({
      model: { sql: "a.sql", key: ["a"] },
      columns: { include: ["size"], exclude: ["anything"] },
      where: { anything: { min: "a" } },
    }),
    "a model by a placeholder": withExport({ model: "${MODEL}", columns: { exclude: ["anything"] } }),
    "a webhook in capitals": { ...BASE, alerts: { webhook: "HTTPS://hooks.acme.internal/x" } },
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
    "a schedule in words": withExport({ schedule: "every day" }),
    "a schedule that doesn't divide the hour": withExport({ schedule: "every 7 minutes" }),
    "a preset that doesn't exist": withExport({ schedule: "@hour" }),
    "a cron line of six fields": withExport({ schedule: "0 0 * * * *" }),
    "a cron line with a minute that doesn't exist": withExport({ schedule: "60 * * * *" }),
    "a cron line with an hour that doesn't exist": withExport({ schedule: "0 24 * * *" }),
    "a schedule of the audit in words": withExport({ audit: { schedule: "daily" } }),
    "an offset as a zone": withExport({ timezone: "+02:00" }),
    "a start without its zone": withExport({ start: "2026-10-01T06:00:00" }),
    "a start in another order": withExport({ start: "01.10.2026" }),
    "an end in words": withExport({ end: "tomorrow" }),
    "no team for session_replays": { ...BASE, exports: { a: { ...EXPORT, team_id: undefined } } },
    "a compression that the format hasn't": withExport({ format: "csv", compression: "snappy" }),
    "the current row's columns left out of a model in SQL": withExport({
      model: { sql: "a.sql", key: ["a"] },
      columns: { exclude: ["_version"] },
    }),
    "hashing without a salt": withExport({ columns: { hash: ["distinct_id"] } }),
    "a server's address without a scheme": { ...BASE, source: { clickhouse: { url: "host:8123" } } },
  };
  for (const [name, config] of Object.entries(wrong)) test(name, () => assert.ok(!taken(config)));
});

test("property: the JSON Schema takes every schedule, start and end that the parser takes", () => {
  const digits = fc.nat(99).map(String);
  const value = fc.oneof(
    digits,
    fc.constantFrom("*", "?", "00", "07", "L", "LW", "15W", "jan", "MON", "5L", "mon#2", "fri"),
  );
  const item = fc.oneof(
    { weight: 3, arbitrary: value },
    fc.tuple(value, value).map(([from, to]) => `${from}-${to}`),
    fc.tuple(fc.constantFrom("*", "1-5", "0-59", "?"), digits).map(([of, step]) => `${of}/${step}`),
  );
  const list = fc.oneof(
    { weight: 3, arbitrary: item },
    fc.array(item, { minLength: 1, maxLength: 3 }).map((of) => of.join(",")),
  );
  const cron = fc
    .array(fc.oneof({ weight: 3, arbitrary: fc.constant("*") }, list), { minLength: 4, maxLength: 6 })
    .map((fields) => fields.join(" "));
  const preset = fc.constantFrom("@hourly", " @daily ", "@weekly", "@monthly", "@yearly", "hourly");
  const every = fc
    .tuple(fc.constantFrom("every", "@every", "Every"), fc.nat(61), fc.constantFrom("m", " min", " minutes", " h"))
    .map(([word, count, unit]) => `${word} ${count}${unit}`);
  let valid = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 3, arbitrary: cron }, preset, every), (schedule) => {
      try {
        parseSchedule(schedule);
      } catch {
        return;
      }
      valid += 1;
      assert.ok(taken(withExport({ schedule })), schedule);
    }),
    { numRuns: 1000 },
  );
  assert.ok(valid > 50, `${valid} of the schedules were valid`);
  const part = (values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);
  const times = fc
    .tuple(part(["2026-10-01", " 2026-02-28", "26-10-1"]), part(["", "T06:00", "t23:59:59.5", " 24:00", " 00:00:00"]))
    .chain(([date, clock]) =>
      part(["", "Z", "z ", "+02:00", " -1400", "+15:00", "CET"]).map((zone) => date + clock + zone),
    );
  fc.assert(
    fc.property(times, (start) => {
      if ("value" in parseTime(start, "UTC")) assert.ok(taken(withExport({ start, end: start })), start);
    }),
    { numRuns: 300 },
  );
});

/** The column rules and conditions of a config: names and values that fit and that don't. */
const rulesAndConditions = fc.record(
  {
    columns: fc.record(
      {
        include: someColumns(),
        exclude: someColumns(),
        hash: someColumns(),
        strip_query: someColumns(),
      },
      { requiredKeys: [] },
    ),
    where: fc.dictionary(columnName(), conditionValue(), { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

function columnName(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...SESSION_REPLAYS.map(({ name }) => name)) },
    fc.constantFrom("clicks", "Size", "", "_id", "toString"),
  );
}

function someColumns(): fc.Arbitrary<string[]> {
  return fc.array(columnName(), { maxLength: 2 });
}

function conditionValue(): fc.Arbitrary<unknown> {
  const value = fc.constantFrom<unknown>(
    "web",
    "",
    0,
    5,
    -1.5,
    2 ** 53,
    true,
    false,
    "2026-10-01",
    "2026-10-01T06:00:00Z",
    "5",
  );
  const ends = fc.constantFrom<unknown>(5, 1.5, "web", "2026-10-01", true);
  return fc.oneof(
    { weight: 4, arbitrary: value },
    fc.array(value, { maxLength: 2 }),
    // Both ends are the same: that min is greater than max is more than a schema can say.
    fc.tuple(ends, fc.subarray(["min", "max"])).map(([end, keys]) => Object.fromEntries(keys.map((key) => [key, end]))),
  );
}

test("property: the JSON Schema refuses the column rules and conditions that the CLI refuses, and no others", async () => {
  const seen = { taken: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(rulesAndConditions, fc.boolean(), fc.boolean(), async (fields, hasSalt, inSql) => {
      const model = inSql ? { model: { sql: "a.sql", key: ["day"] } } : {};
      const config = withExport({ ...fields, ...model }, hasSalt ? { hash_salt: "0123456789abcdef" } : {});
      const problems = await problemsOrNone(config, { files: { "/etc/replayport/a.sql": "SELECT 1 AS day" } });
      seen[problems.length === 0 ? "taken" : "refused"] += 1;
      const found = problems.map(({ path, message }) => `${path}: ${message}`).join("\n");
      assert.equal(taken(config), problems.length === 0, found);
    }),
    { numRuns: 1500 },
  );
  assert.ok(seen.taken > 100 && seen.refused > 100, JSON.stringify(seen));
});

test("an editor gets every column with its description, where its rule or condition allows it", () => {
  const then = EXPORT_CONDITIONS.allOf[0]?.["then"] as {
    readonly properties: { readonly columns: SchemaNode; readonly where: SchemaNode };
  };
  assert.ok(JSON.stringify(schema).includes(JSON.stringify(then)));
  const names = (rule: string): (string | undefined)[] =>
    (then.properties.columns.properties?.[rule]?.items?.anyOf ?? []).map(
      ({ const: name }) => name as string | undefined,
    );
  assert.deepEqual(names("include"), [
    ...SESSION_REPLAYS.filter(({ optIn }) => optIn).map(({ name }) => name),
    undefined,
  ]);
  assert.ok(names("exclude").includes("size") && !names("exclude").includes("session_id"));
  assert.ok(names("hash").includes("all_urls") && !names("hash").includes("size"));
  const { all_urls: list, size } = then.properties.where.properties ?? {};
  assert.equal(list, undefined);
  assert.equal(size?.description, SESSION_REPLAYS.find(({ name }) => name === "size")?.description);
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
