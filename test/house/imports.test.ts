/** Imports point inward, and each SDK has one importer. The rooms are those of ARCHITECTURE.md. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { suite, test } from "node:test";

interface Import {
  readonly file: string;
  readonly target: string;
}

const STATEMENT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g;

const files = [...globSync("src/**/*.ts"), ...globSync("destinations/**/*.ts")].sort();
const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(STATEMENT)].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? "";
    return { file, target: target.startsWith(".") ? normalize(join(dirname(file), target)) : target };
  }),
);

/** The room of one of our files: its folder, or its own name where it stands at the top. */
function room(file: string): string {
  const parts = file.split("/");
  if (parts[0] === "destinations") return parts.length === 2 ? file : `destinations/${parts[1]}`;
  return parts.length === 2 ? file : `src/${parts[1]}`;
}

const INNER = ["src/errors.ts", "src/retry.ts", "src/intervals", "src/models"];
const DESTINATION = [...INNER, "destinations/destination.ts", "destinations/files"];
const CORE = [...INNER, "destinations/destination.ts", "src/export", "src/stage"];

/** What each room may import of ours, besides itself. A room that is not named here fails the test. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  "src/errors.ts": [],
  "src/retry.ts": ["src/errors.ts"],
  "src/version.ts": [],
  "src/intervals": ["src/errors.ts"],
  "src/models": ["src/errors.ts", "src/intervals"],
  "destinations/destination.ts": ["src/intervals", "src/models"],
  "src/stage": ["src/errors.ts", "destinations/destination.ts"],
  "src/export": [...INNER, "destinations/destination.ts", "src/stage"],
  "src/clickhouse_server": ["src/errors.ts"],
  "src/clickhouse": [...CORE, "src/clickhouse_server"],
  "src/config": CORE,
  "src/fleet": [...CORE, "src/version.ts"],
  "src/web": [...CORE, "src/fleet/fleet.ts", "src/version.ts"],
  "src/alerts": [...CORE, "src/fleet/fleet.ts"],
  "src/telemetry": [...CORE, "src/fleet/fleet.ts", "src/version.ts"],
  "destinations/files": ["src/errors.ts", "destinations/destination.ts"],
  "destinations/store": ["src/errors.ts", "destinations/files"],
  "destinations/warehouse": [...INNER, "destinations/destination.ts"],
  "destinations/lake": [...DESTINATION, "destinations/store"],
  "destinations/bigquery": [...DESTINATION, "destinations/warehouse"],
  "destinations/snowflake": [...DESTINATION, "destinations/warehouse", "destinations/store"],
};
/** The commands compose the rooms; the demo is a command with its own data. */
const COMPOSE = ["src/cli", "src/demo", "destinations/registry.ts"];

const SDKS: Readonly<Record<string, string>> = {
  "@clickhouse/client": "src/clickhouse",
  chdb: "src/clickhouse_server",
  bullmq: "src/fleet",
  ioredis: "src/fleet",
  "node-cron": "src/fleet",
  hono: "src/web",
  "@hono": "src/web",
  "prom-client": "src/web",
  "@opentelemetry": "src/telemetry",
  "@aws-sdk": "destinations/store",
  "snowflake-sdk": "destinations/snowflake",
  "@google-cloud/bigquery": "destinations/bigquery",
};

suite("the import graph", () => {
  test("was read", () => {
    assert.ok(imports.length > 100);
    assert.ok(imports.some(({ target }) => target === "@clickhouse/client"));
  });

  test("every room has its rule", () => {
    const known = new Set([...Object.keys(MAY), ...COMPOSE]);
    assert.deepEqual(
      [...new Set(files.map(room))].filter((name) => !known.has(name)),
      [],
    );
  });

  test("imports point inward", () => {
    const wrong = imports.filter(({ file, target }) => {
      const from = room(file);
      if (COMPOSE.includes(from) || !/^(src|destinations)\//.test(target)) return false;
      const to = room(target);
      const allowed = MAY[from] ?? [];
      return to !== from && !allowed.includes(to) && !allowed.includes(target);
    });
    assert.deepEqual(
      wrong.map(({ file, target }) => `${file} imports ${target}`),
      [],
    );
  });

  for (const [sdk, home] of Object.entries(SDKS)) {
    test(`only ${home} imports ${sdk}`, () => {
      const users = imports.filter(({ target }) => target === sdk || target.startsWith(`${sdk}/`));
      assert.deepEqual(
        users.filter(({ file }) => room(file) !== home).map(({ file }) => file),
        [],
      );
    });
  }
});
