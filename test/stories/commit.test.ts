/**
 * Story 6 of issue 9: the request that commits was done, and then something says no. What must be true: whatever became of
 * a commit, readers, `status` and the receipts agree: a receipt's files are there, and no error takes them away. The batch
 * is in the lake at the latest after the next run.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClickHouseHarness, clickhouse, clickhouseSkip } from "../support/clickhouse.ts";
import { type Fault, openFaultProxy, type ProxiedRequest } from "../support/fault_proxy.ts";
import { s3Server } from "../support/s3.ts";
import { recordings } from "./partial_rows.ts";
import { iso, openStory, type Story } from "./story.ts";

const s3 = await s3Server();
const ROWS = 10;
/**
 * An hour that has just settled by the machine's own clock: the S3 client compares it with the server's answers, and takes a
 * refusal for a wrong clock where they differ.
 */
const HOUR = Math.floor((Date.now() - 10 * 60_000) / 3_600_000) * 3_600_000 - 3_600_000;
const EXPORT = { start: iso(HOUR), sweep: "off" };
const RUN = ["run", "replays", "--interval", iso(HOUR)];

const isCommit = ({ method, path }: ProxiedRequest): boolean =>
  method === "PUT" && /\/_replayport\/[^?]*\d{8}T\d{6}Z_[^?]*\.json/.test(decodeURIComponent(path));

const refused = (status: number, code: string): Fault => ({
  kind: "answer",
  status,
  headers: { "content-type": "application/xml" },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
});

suite("stories of commits", { skip: clickhouseSkip }, () => {
  let server: ClickHouseHarness;
  before(async () => {
    server = await clickhouse();
  });
  after(async () => await server[Symbol.asyncDispose]());

  /** What readers see is what `status` counts, now and after the next run. */
  const agree = async (story: Story): Promise<void> => {
    const { rows } = await story.status();
    assert.equal((await story.rows()).length, rows, "readers and receipts differ");
    await story.ok(["run", "--due"]);
    assert.equal((await story.status())["rows"], ROWS);
    assert.equal((await story.rows()).length, ROWS);
  };

  for (const [status, code] of [
    [403, "AccessDenied"],
    [400, "KMS.DisabledException"],
    [403, "RequestTimeTooSkewed"],
    [400, "ExpiredToken"],
  ] as const) {
    test(
      `a commit whose answer is cut and whose repetition gets ${code} keeps its files`,
      { skip: "skip" in s3 ? s3.skip : false },
      async () => {
        if ("skip" in s3) return;
        await using proxy = await openFaultProxy(s3.endpoint);
        await using story = await openStory(server, {
          export: EXPORT,
          s3: { server: s3, endpoint: proxy.url },
        });
        await story.insert(...recordings("a", ROWS, { start: HOUR + 60_000 }));
        let commits = 0;
        proxy.decide((request) => {
          if (!isCommit(request)) return undefined;
          commits += 1;
          if (commits === 1) return { kind: "cut-answer" };
          return commits === 2 ? refused(status, code) : undefined;
        });
        await story.cli(RUN, { until: /will try again/ });
        assert.ok(commits > 0, "nothing was committed");
        await agree(story);
      },
    );
  }

  // The file system refuses what follows the commit: the folder became read-only, or somebody else's.
  for (const [code, name] of [
    ["EPERM", "unlink"],
    ["EROFS", "unlink"],
  ] as const) {
    test(`a commit on disk after which ${name} fails with ${code} keeps its files`, async () => {
      await using story = await openStory(server, { export: EXPORT });
      await story.insert(...recordings("a", ROWS, { start: HOUR + 60_000 }));
      const module = join(story.folder, "fails.mjs");
      await writeFile(
        module,
        `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
let committed = false; let failed = false;
const { link, rename, ${name} } = fs.promises;
const watched = (real) => async (from, to) => {
  await real(from, to);
  if (/_replayport.*\\d{8}T\\d{6}Z_.*\\.json$/.test(String(to))) committed = true;
};
fs.promises.link = watched(link);
fs.promises.rename = watched(rename);
fs.promises.${name} = async (...given) => {
  if (!committed || failed) return await ${name}(...given);
  failed = true;
  throw Object.assign(new Error("${code}: not permitted, ${name} '" + given[0] + "'"), { code: "${code}" });
};
syncBuiltinESMExports();\n`,
      );
      await story.cli(RUN, { imports: [module], until: /will try again/ });
      await agree(story);
    });
  }
});
