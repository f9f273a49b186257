/**
 * What reads words of others: files of users, texts from the web, and answers of servers. Each gives a right answer or a
 * ReplayportError that says what to do; anything else is a fault, and so is silence.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type OutgoingHttpHeaders } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { openCatalog } from "../../destinations/catalog/catalog.ts";
import { decodeManifest, encodeManifest } from "../../destinations/lake/manifest.ts";
import { globPath, isInFolder, pathGranularity, renderPath } from "../../destinations/lake/path_template.ts";
import { openS3Lake } from "../../destinations/lake/s3.ts";
import { fromRecord } from "../../destinations/receipts.ts";
import { parseJson } from "../../destinations/table_format/json.ts";
import { readManifest, writeManifest } from "../../destinations/table_format/manifest.ts";
import { readManifestList, writeManifestList } from "../../destinations/table_format/manifest_list.ts";
import { readTableMetadata } from "../../destinations/table_format/metadata.ts";
import { newSchema } from "../../destinations/table_format/schema.ts";
import { openClickHouse } from "../../src/clickhouse/clickhouse.ts";
import { parseConfig } from "../../src/config/config.ts";
import { parseRedisUrl } from "../../src/config/values/redis_url.ts";
import { parseTime } from "../../src/config/values/times.ts";
import { parseDuration, parseSize } from "../../src/config/values/units.ts";
import { ALL_TIME, interval } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import { openApp, TOKEN } from "./app.ts";
import { anything, bytes, texts } from "./mutations.ts";

export interface Target extends AsyncDisposable {
  readonly name: string;
  /** Rejects or throws a ReplayportError for what is refused; returns for what is taken. */
  readonly property: (check: (run: () => unknown) => Promise<void>) => fc.IAsyncPropertyWithHooks<[unknown]>;
}

type Check = (run: () => unknown) => Promise<void>;
const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };

function target<Input>(name: string, input: fc.Arbitrary<Input>, run: (input: Input) => unknown): Target {
  return {
    name,
    property: (check: Check) => fc.asyncProperty<[unknown]>(input, async (one) => await check(() => run(one as Input))),
    ...nothing,
  };
}

const signal = (): AbortSignal => AbortSignal.timeout(8_000);
const HOUR = interval(Date.UTC(2026, 9, 1), Date.UTC(2026, 9, 1, 1));

const CONFIGS = [
  readFileSync("schedules.yaml", "utf8"),
  readFileSync("docker/schedules.yaml", "utf8"),
  `posthog_url: https://a.test
source: { clickhouse: { url: "http://u:p@h:8123/db?x=1", username: u, password: "\${P}", database: d } }
destinations:
  a: { type: file, path: ./lake, on_delete: delete, keep_replaced: 1h }
  b: { type: bigquery, project: p, dataset: d, table: t }
  c: { type: snowflake, account: a-b, username: u, password: "\${P}", warehouse: w, database: d, schema: s, table: t }
defaults: { settle: 10m, columns: { hash: [distinct_id] } }
exports:
  x: { model: { sql: x.sql, key: [id] }, team_id: [1, 2], destination: a, schedule: "*/5 * * * *", timezone: Europe/Berlin, start: 2026-10-01, where: { click_count: { min: 1 } } }
  y: { model: session_replays, team_id: all, destination: b, schedule: every 15 minutes, start: 2026-10-01T00:00:00+02:00, sweep: off, path: "{export}/{year}" }
hash_salt: "0123456789abcdef"
redis: { url: "rediss://u:p@h:1/0" }
fleet: { in_flight: 3 }
http: { token: "0123456789abcdef" }
alerts: { webhook: "https://h.test/x" }
`,
];
const ENV = {
  CLICKHOUSE_URL: "http://h:8123",
  CLICKHOUSE_PASSWORD: "pw",
  LAKE_BUCKET: "b",
  P: "pw",
  CLICKHOUSE_USER: "u",
};

const MANIFEST = encodeManifest(
  decodeManifest(
    JSON.stringify({
      layout: 2,
      replayport: "0.1.0",
      source: "26.1",
      export: "replays",
      owner: "me",
      interval: { start: HOUR.start, end: HOUR.end },
      attempt: "0123456789ab",
      fingerprint: "f",
      format: "parquet",
      readAt: HOUR.end,
      committedAt: HOUR.end,
      rows: 1,
      bytes: 1,
      files: [
        {
          key: "replays/dt=2026-10-01/20261001T000000Z_20261001T010000Z.0123456789ab.0.parquet",
          rows: 1,
          bytes: 1,
          sha256: "a",
        },
      ],
      kept: [],
      columns: [{ name: "a", type: "string", nullable: false }],
      key: ["a"],
      path: "{export}/dt={year}-{month}-{day}",
      replaces: [],
      removes: [],
    }),
    "golden",
  ),
);

const SCHEMA = newSchema(
  [
    { name: "team_id", type: "int64", nullable: false, privacy: "none", description: "" },
    { name: "session_id", type: "string", nullable: false, privacy: "none", description: "" },
  ],
  { key: ["team_id", "session_id"], required: [] },
);
const LISTED_FILE = {
  content: "data",
  path: "s3://lake/t/data/a.parquet",
  format: "PARQUET",
  rows: 3,
  bytes: 100,
  lowerBounds: new Map([[2, new TextEncoder().encode("a")]]),
  upperBounds: new Map([[2, new TextEncoder().encode("z")]]),
} as const;
const WRITTEN = writeManifest({
  specId: 0,
  content: "data",
  schema: SCHEMA,
  snapshotId: 7n,
  entries: [{ status: "added", file: LISTED_FILE }],
});
const DESCRIBED = WRITTEN.describe("s3://lake/t/metadata/a.avro", 3);
const LIST = writeManifestList({ snapshotId: 7n, parentId: undefined, sequenceNumber: 3, manifests: [DESCRIBED] });

/** A number that JSON.parse would round. */
const LARGEST = "9223372036854775807";
const METADATA = JSON.stringify({
  "format-version": 2,
  "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
  location: "s3://lake/t",
  "last-sequence-number": 3,
  "last-updated-ms": 1,
  "last-column-id": 1,
  "current-schema-id": 0,
  schemas: [{ type: "struct", "schema-id": 0, fields: [{ id: 1, name: "a", required: true, type: "string" }] }],
  "default-spec-id": 0,
  "partition-specs": [{ "spec-id": 0, fields: [] }],
  "default-sort-order-id": 0,
  "sort-orders": [{ "order-id": 0, fields: [] }],
  properties: {},
  "current-snapshot-id": LARGEST,
  refs: { main: { "snapshot-id": LARGEST, type: "branch" } },
  snapshots: [
    {
      "snapshot-id": LARGEST,
      "sequence-number": 3,
      "timestamp-ms": 1,
      "manifest-list": "s3://lake/t/m.avro",
      summary: { operation: "append" },
      "schema-id": 0,
    },
  ],
}).replaceAll(`"${LARGEST}"`, LARGEST);

const BODIES = [
  '{"export":"replays","from":"2026-10-01T00:00:00Z","to":"2026-10-02T00:00:00Z","force":true}',
  '{"reason":"a\\u0000b"}',
];
const PATHS = [
  "/api/backfills",
  "/api/exports/replays/pause",
  "/api/exports/replays",
  "/api/runs?limit=5",
  "/login",
  "/",
  "/exports/replays",
];

/** An answer of a server that isn't what it says. */
interface Junk {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

function junk(corpus: readonly string[]): fc.Arbitrary<Junk> {
  return fc.record({
    status: fc.constantFrom(200, 200, 200, 200, 204, 206, 400, 401, 403, 404, 409, 429, 500, 503),
    headers: fc.record({
      "content-type": fc.constantFrom("application/json", "text/html", "application/xml", "text/plain; charset=x", ""),
      "x-clickhouse-summary": fc.constantFrom('{"result_rows":"1"}', "{", "null", "[]", '{"result_rows":"x"}'),
      "x-clickhouse-exception-code": fc.constantFrom("", "", "", "241", "x"),
      "retry-after": fc.constantFrom("", "1", "-1", "never", "99999999999999"),
      "x-amz-bucket-region": fc.constantFrom("us-east-1", "..", ""),
      etag: fc.constantFrom('"a"', ""),
    }),
    body: texts(corpus),
  });
}

/** Talks to a server that answers with junk. */
async function served(
  name: string,
  corpus: readonly string[],
  ask: (url: string) => Promise<unknown>,
): Promise<Target> {
  let answers: readonly Junk[] = [];
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume();
    const { status, headers, body } = answers[asked % answers.length] ?? { status: 500, headers: {}, body: "" };
    asked += 1;
    const set = Object.entries(headers).filter(([, value]) => value !== "");
    response.writeHead(status, Object.fromEntries(set)).end(status === 204 ? undefined : body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    ...target(name, fc.array(junk(corpus), { minLength: 1, maxLength: 4 }), async (input) => {
      [answers, asked] = [input, 0];
      await ask(url);
    }),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const clickhouseAnswers = [
  '{"meta":[{"name":"now","type":"UInt64"}],"data":[{"now":"1790812800","version":"26.7.1","setting":"1"}],"rows":1}',
  '{"now":"1790812800","version":"26.1"}\n{"name":"team_id","type":"Int64"}\n',
  "Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE) (version 26.1)",
];
const S3_XML = `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken><Contents><Key>_replayport/replays/20261001T000000Z_20261001T010000Z.000001.20261001T010000Z.0123456789ab.json</Key><LastModified>2026-10-01T00:00:00Z</LastModified><Size>10</Size><ETag>"a"</ETag></Contents></ListBucketResult>`;

export async function openTargets(): Promise<Target[]> {
  const app = openApp();
  return [
    target("schedules.yaml", texts(CONFIGS), async (text) => {
      const result = await parseConfig(text, {
        file: "schedules.yaml",
        env: ENV,
        read: () => Promise.resolve("SELECT 1 AS id"),
      });
      if ("problems" in result) {
        assert.ok(result.problems.length > 0);
        assert.ok(!JSON.stringify(result.problems).includes("0123456789abcdef"), "a problem shows a secret");
      }
    }),
    target(
      "schedules",
      fc.tuple(
        texts(["@hourly", "*/5 0-3,7 1 1 1-5", "every 15 minutes", "0 0 L * *", "@daily"]),
        texts(["UTC", "Europe/Berlin", "+02:00"]),
      ),
      ([text, zone]) => {
        const schedule = parseSchedule(text, zone);
        let at = new Date(Date.UTC(2026, 9, 25));
        for (let turn = 0; turn < 5; turn += 1) {
          const next = schedule.next(at);
          if (next === undefined) return;
          assert.ok(next > at, `${schedule.text} goes back`);
          at = next;
        }
      },
    ),
    target(
      "durations, sizes and times",
      texts(["10m", "1h30m", "256 MiB", "2026-10-01T00:00:00+02:00", "-7d", "rediss://u:p@h:6380/0"]),
      (text) => {
        for (const parse of [parseDuration, parseSize, parseRedisUrl]) assert.ok(typeof parse(text) === "object");
        assert.ok(typeof parseTime(text, "Europe/Berlin") === "object");
      },
    ),
    target(
      "path templates",
      fc.tuple(texts(["{export}/dt={year}-{month}-{day}/{hour}", "a/{export}"]), texts(["replays"])),
      ([template, name]) => {
        const key = `${renderPath(template, name, HOUR)}/x.parquet`;
        globPath(template, name);
        pathGranularity(template);
        isInFolder(template, name, key);
      },
    ),
    target("manifests", texts([MANIFEST]), (text) => decodeManifest(text, "m.json")),
    target(
      "ledger rows",
      fc.record<Record<string, unknown>>(
        {
          export: anything,
          interval_start: anything,
          interval_end: anything,
          read_at: anything,
          committed_at: anything,
          watermark: anything,
          rows: anything,
          bytes: anything,
          files: anything,
          attempt: anything,
          fingerprint: anything,
          source_columns: anything,
        },
        { requiredKeys: [] },
      ),
      (row) => {
        const { interval: found, rows } = fromRecord({
          value: (column) => row[column],
          time: (column) => new Date(Number(typeof row[column] === "object" ? Number.NaN : row[column])),
          hasTime: (column) => row[column] !== null && row[column] !== undefined,
        });
        assert.ok(found.start < found.end && Number.isSafeInteger(rows) && rows >= 0, "a receipt that can't be");
      },
    ),
    target(
      "HTTP requests",
      fc.tuple(
        fc.constantFrom("GET", "POST", "PUT", "DELETE"),
        texts(PATHS),
        texts(BODIES),
        fc.constantFrom("application/json", "text/plain", "application/x-www-form-urlencoded"),
        fc.boolean(),
      ),
      async ([method, path, body, type, token]) => {
        const address = encodeURI(`/${path}`.slice(0, 4000).toWellFormed()).replace(/^\/+/, "/");
        const headers = { "content-type": type, ...(token ? { authorization: `Bearer ${TOKEN}` } : {}) };
        const response = await app.request(address, { method, headers, ...(method === "GET" ? {} : { body }) });
        await response.text();
        assert.ok(response.status < 500, `${method} ${address}: ${response.status}`);
      },
    ),
    target("Iceberg's manifest lists", bytes([LIST]), (file) => readManifestList(file, "m.avro")),
    target("Iceberg's manifests", bytes([WRITTEN.bytes]), (file) => readManifest(file, DESCRIBED)),
    target("Iceberg's metadata", texts([METADATA]), (text) => {
      let json: unknown;
      try {
        json = parseJson(text);
      } catch (error) {
        // Who asks a catalog turns it into an error of the catalog.
        assert.ok(error instanceof SyntaxError);
        return;
      }
      readTableMetadata(json);
    }),
    await served("answers of ClickHouse", clickhouseAnswers, async (url) => {
      const options = { url, username: "u", password: "p", database: "d", table: "t", requestTimeoutMs: 2_000 };
      await using source = await openClickHouse(options);
      await source.info(signal());
      await source.numbers(
        { sql: "SELECT 1 AS n", parameters: {} },
        { export: "x", interval: HOUR, limits: {} } as never,
        signal(),
      );
    }),
    await served("answers of S3", [S3_XML, MANIFEST, "<Error><Code>SlowDown</Code></Error>"], async (endpoint) => {
      const credentials = { accessKeyId: "a", secretAccessKey: "b" };
      const options = {
        type: "s3",
        bucket: "b",
        region: "us-east-1",
        endpoint,
        forcePathStyle: true,
        credentials,
        maxAttempts: 1,
      } as const;
      const deps = { version: "test", now: () => new Date(), onWarning: () => undefined };
      await using lake = openS3Lake(options, { export: "replays" }, deps);
      await Array.fromAsync(lake.receipts(ALL_TIME, signal()));
    }),
    await served(
      "answers of a catalog",
      [
        `{"metadata":${METADATA},"metadata-location":"s3://lake/t/m.json"}`,
        '{"overrides":{"prefix":"p"},"defaults":{}}',
        '{"error":{"message":"no","type":"NoSuchTableException","code":404}}',
      ],
      async (uri) => {
        const catalog = openCatalog({ uri, auth: { type: "none" } } as never);
        await catalog.loadTable({ namespace: ["n"], name: "t" }, signal());
      },
    ),
  ];
}
