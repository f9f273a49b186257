/** `replayport gc --rewrite` on an Iceberg table, and where there's nothing that it could do. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "@hono/zod-openapi";
import { rewriteSchema } from "../../../src/web/command_schemas.ts";
import { EXPORT } from "../../support/batches.ts";
import { commandLine } from "../../support/cli_process.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { openFixture, SIGNAL, withPlace } from "./fixture.ts";

const config = (destination: string): string => `
source: { clickhouse: { url: "http://127.0.0.1:1" } }
destinations: { there: ${destination} }
exports:
  ${EXPORT}: { model: session_replays, team_id: 1, destination: there, schedule: "@hourly", start: 2026-10-01 }
installation: here
`;

await withPlace("gc --rewrite of an Iceberg table", (place) => {
  test("lists files of dead rows, and with --delete writes them again", async () => {
    await using fixture = await openFixture(place);
    await using destination = fixture.open();
    await destination.load(
      await fixture.batch(0, [["a", "b", "c", "d"].map((session) => [session, 1] as const)]),
      SIGNAL,
    );
    await destination.load(await fixture.batch(1, [[["b", 2]]]), SIGNAL);
    const { server } = place.found;
    const { accessKeyId, secretAccessKey } = server.credentials;
    const table = {
      type: "iceberg",
      catalog: {
        uri: server.catalog,
        warehouse: server.tableBucket,
        oauth2: {
          client_id: accessKeyId,
          client_secret: secretAccessKey,
          token_url: `${server.catalog}/v1/oauth/tokens`,
        },
      },
      namespace: fixture.options.namespace,
      table: "replays",
      storage: {
        endpoint: server.endpoint,
        region: server.region,
        access_key_id: accessKeyId,
        secret_access_key: secretAccessKey,
        force_path_style: true,
      },
    };
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "schedules.yaml"), config(JSON.stringify(table)));
    const cli = commandLine(folder.path);
    const gc = async (...args: string[]): Promise<string> => {
      const { code, out, err } = await cli.run("gc", EXPORT, ...args);
      assert.equal(code, 0, err);
      return out;
    };
    assert.match(
      await gc("--rewrite"),
      /25 %[^]*1 file with more than 20 % dead rows; to write them again[^]*--delete/,
    );
    const [listed, ...others] = z.array(rewriteSchema).parse(JSON.parse(await gc("--rewrite", "--json")));
    assert.deepEqual([listed?.rows, listed?.dead, listed?.rewritten, others], [4, 1, false, []]);
    assert.match(await gc("--rewrite", "30", "--delete"), /no file with more than 30 % dead rows/);
    assert.match(await gc("--rewrite", "--delete"), /rewritten[^]*1 rewritten/);
    assert.deepEqual(JSON.parse(await gc("--rewrite", "--json")), []);
    assert.equal((await fixture.rows("session_id")).length, 4);
  });
});

test("gc --rewrite refuses a lake, and a share that isn't one", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "schedules.yaml"), config("{ type: file, path: ./lake }"));
  const cli = commandLine(folder.path);
  const [lake, ...shares] = await Promise.all([
    cli.run("gc", EXPORT, "--rewrite"),
    ...["100", "-1", "many"].map((share) => cli.run("gc", EXPORT, `--rewrite=${share}`)),
  ]);
  assert.equal(lake.code, 2);
  assert.match(lake.err, /sessions goes to a lake/);
  for (const { code, err } of shares) {
    assert.equal(code, 2);
    assert.match(err, /Write 0 or more, and less than 100/);
  }
});
