/** Which requests a lake on S3 makes. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import pLimit from "p-limit";
import { claimKey, manifestKey } from "../../../destinations/lake/layout.ts";
import { MIN_PART_BYTES } from "../../../destinations/store/s3_part_size.ts";
import { S3Store } from "../../../destinations/store/s3_store.ts";
import type { LocalFile } from "../../../destinations/files/read_staged.ts";
import { type Interval, interval, intervalName } from "../../../src/intervals/interval.ts";
import { EXPORT, hours } from "../../conformance/batches.ts";
import { openTestLake, s3Options, shuffled, unfinishedUploads } from "./harness.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { EVERYTHING, rejectsWith } from "../../conformance/context.ts";
import { isList, openFixture, refusal, server, signalled, SIGNAL, skip } from "./s3_fixture.ts";

const HOUR = 3_600_000;

async function bigFile(folder: string, bytes: number): Promise<LocalFile> {
  const content = randomBytes(bytes);
  const path = join(folder, "big.parquet");
  await writeFile(path, content);
  return { path, bytes, sha256: createHash("sha256").update(content).digest("hex") };
}

interface Lister extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly string[];
}

/** Answers ListObjectsV2 with pages of 1000, as S3 does; to put so many objects into a real server takes minutes. */
async function openLister(keys: readonly string[]): Promise<Lister> {
  const requests: string[] = [];
  const listing = createServer((request, answer) => {
    requests.push(`${request.method} ${request.url}`);
    const query = new URL(request.url ?? "/", "http://localhost").searchParams;
    const after = query.get("continuation-token") ?? "0";
    // The order of `keys`, whatever it is: a token is a place in it.
    const all = keys.filter((key) => key.startsWith(query.get("prefix") ?? "")).slice(Number(after));
    const page = all.slice(0, 1000);
    const more = all.length > page.length;
    const contents = page.map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`,
    );
    const token = more ? `<NextContinuationToken>${Number(after) + page.length}</NextContinuationToken>` : "";
    answer.writeHead(200, { "content-type": "application/xml" });
    answer.end(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${contents.join("")}</ListBucketResult>`);
  });
  listing.listen(0, "127.0.0.1");
  await once(listing, "listening");
  return {
    url: `http://127.0.0.1:${(listing.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () => {
      listing.close();
      listing.closeAllConnections();
      return Promise.resolve();
    },
  };
}

suite("lake on S3: requests", { skip }, () => {
  test("a year of hourly receipts costs nine LIST requests, and nothing else", async () => {
    const start = Date.UTC(2025, 0, 1);
    const hourly = Array.from({ length: 8760 }, (_, hour) =>
      manifestKey(EXPORT, 0, {
        interval: interval(start + hour * HOUR, start + (hour + 1) * HOUR),
        readAt: new Date(start),
      }),
    );
    await using lister = await openLister(hourly);
    await using lake = openTestLake({ ...s3Options(server, "any"), prefix: "", endpoint: lister.url });
    const year = interval(start, start + 8760 * HOUR);
    const covered = await Array.fromAsync(lake.covered(year, SIGNAL));
    assert.equal(covered.length, 8760);
    assert.deepEqual(covered[8759]?.interval.end, year.end);
    assert.equal(lister.requests.length, 9);
    assert.ok(lister.requests.every((request) => /^GET \/any\/?\?.*list-type=2/.test(request)));
  });

  test("receipts are found, and the latest ones count, in whatever order a server's pages come", async () => {
    const start = Date.UTC(2025, 0, 1);
    const of = (hour: number, count = 1) => interval(start + hour * HOUR, start + (hour + count) * HOUR);
    const key = (batch: Interval, generation: number, { end: readAt }: Interval): string =>
      manifestKey(EXPORT, generation, { interval: batch, readAt });
    const first = Array.from({ length: 2400 }, (_, hour) => key(of(hour), 0, of(hour)));
    const again = Array.from({ length: 600 }, (_, hour) => key(of(hour * 2), 1, of(hour * 2, 3)));
    // Read later than all hours of its week.
    const week = key(of(0, 168), 0, of(0, 200));
    const claims = Array.from({ length: 300 }, (_, hour) => claimKey(EXPORT, of(hour), 2));
    await using lister = await openLister(shuffled([...first, ...again, ...claims, week]));
    await using lake = openTestLake({ ...s3Options(server, "any"), prefix: "", endpoint: lister.url });
    const covered = await Array.fromAsync(lake.covered(of(0, 8760), SIGNAL));
    assert.deepEqual(
      covered.map((one) => intervalName(one.interval)),
      [of(0, 168), ...Array.from({ length: 2400 - 168 }, (_, hour) => of(168 + hour))].map(intervalName),
    );
    assert.equal(lister.requests.length, 4);
  });

  test("a listing of more than a page is read to its end, and a load lists its own interval only", async () => {
    await using fixture = await openFixture();
    const { bucket, proxy } = fixture;
    const { prefix } = s3Options(server, bucket);
    const start = Date.UTC(2025, 0, 1);
    const put = async (hour: number): Promise<void> => {
      const of = interval(start + hour * HOUR, start + (hour + 1) * HOUR);
      const Key = `${prefix}/${manifestKey(EXPORT, 0, { interval: of, readAt: new Date(start) })}`;
      await server.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" }));
    };
    await pLimit(8).map(
      Array.from({ length: 1001 }, (_, hour) => hour),
      put,
    );
    await using lake = fixture.open();
    const covered = await Array.fromAsync(lake.covered(EVERYTHING, SIGNAL));
    assert.equal(covered.length, 0);
    assert.equal(proxy.requests.length, 2);
    await lake.load(await fixture.batches.batch(hours(0), []), SIGNAL);
    // The precondition, the files of others, and the look after the commit: a page each.
    assert.equal(proxy.requests.slice(2).filter(isList).length, 3);
  });

  test("a file that is larger than a part goes up in parts", async () => {
    await using fixture = await openFixture();
    await using folder = await temporaryFolder();
    const { bucket, proxy } = fixture;
    await using store = new S3Store({ ...s3Options(server, bucket), endpoint: proxy.url }, MIN_PART_BYTES);
    const file = await bigFile(folder.path, 2 * MIN_PART_BYTES + 1000);
    await store.putFile("big", file, SIGNAL);
    assert.equal(proxy.requests.filter(({ path }) => path.includes("partNumber=")).length, 3);
    const Key = `${s3Options(server, bucket).prefix}/big`;
    const { ContentLength, ETag } = await server.client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
    assert.equal(ContentLength, file.bytes);
    assert.match(ETag ?? "", /-3"$/);
    assert.deepEqual(await unfinishedUploads(server, bucket), []);
  });

  for (const [what, fault] of [
    ["is refused", refusal(403, "AccessDenied")],
    ["breaks each time", { kind: "cut-request" }],
  ] as const) {
    test(`an upload of which a part ${what} is aborted`, async () => {
      await using fixture = await openFixture();
      await using folder = await temporaryFolder();
      const { bucket, proxy } = fixture;
      proxy.decide(({ path }) => (path.includes("partNumber=2") ? fault : undefined));
      await using store = new S3Store(
        { ...s3Options(server, bucket), endpoint: proxy.url, maxAttempts: 2 },
        MIN_PART_BYTES,
      );
      const file = await bigFile(folder.path, 3 * MIN_PART_BYTES);
      await rejectsWith(what === "is refused" ? "give-up" : "retry", store.putFile("big", file, SIGNAL));
      assert.deepEqual(await unfinishedUploads(server, bucket), []);
      assert.deepEqual(await fixture.keys(), []);
    });
  }

  test("a file that changed while it went up in parts does not appear", async () => {
    await using fixture = await openFixture();
    await using folder = await temporaryFolder();
    const { bucket } = fixture;
    await using store = new S3Store(s3Options(server, bucket), MIN_PART_BYTES);
    const file = await bigFile(folder.path, 2 * MIN_PART_BYTES);
    await rejectsWith("retry", store.putFile("big", { ...file, sha256: "0".repeat(64) }, SIGNAL));
    assert.deepEqual(await unfinishedUploads(server, bucket), []);
    assert.deepEqual(await fixture.keys(), []);
  });

  test("an abort in the middle of a part aborts the upload and rejects with its reason", async () => {
    await using fixture = await openFixture();
    await using folder = await temporaryFolder();
    const { bucket, proxy } = fixture;
    const abort = new AbortController();
    const reason = new Error("stop");
    proxy.decide(({ path }) => {
      if (!path.includes("partNumber=")) return undefined;
      abort.abort(reason);
      return { kind: "cut-request" };
    });
    await using store = new S3Store({ ...s3Options(server, bucket), endpoint: proxy.url }, MIN_PART_BYTES);
    const file = await bigFile(folder.path, 2 * MIN_PART_BYTES);
    await assert.rejects(store.putFile("big", file, abort.signal), (error) => error === reason);
    assert.deepEqual(await unfinishedUploads(server, bucket), []);
  });

  test("an upload in parts that a dead attempt left is aborted by the next load", async () => {
    await using fixture = await openFixture();
    const { bucket, proxy, batches } = fixture;
    const batch = await batches.batch(hours(0), []);
    await using folder = await temporaryFolder();
    const file = await bigFile(folder.path, 2 * MIN_PART_BYTES);
    const held = signalled();
    const reached = signalled();
    proxy.decide(({ path }) => {
      if (!path.includes("partNumber=")) return undefined;
      reached.fire();
      return { kind: "hold-request", until: held.promise };
    });
    const dead = new S3Store({ ...s3Options(server, bucket), endpoint: proxy.url, maxAttempts: 1 }, MIN_PART_BYTES);
    const name = `${EXPORT}/dt=2026-10-01/20261001T000000Z_20261001T010000Z.deaddeaddead.0.parquet`;
    const dying = dead.putFile(name, file, SIGNAL);
    dying.catch(() => undefined);
    await reached.promise;
    assert.equal((await unfinishedUploads(server, bucket)).length, 1);
    await using lake = openTestLake(s3Options(server, bucket));
    await lake.load(batch, SIGNAL);
    assert.deepEqual(await unfinishedUploads(server, bucket), []);
    held.fire();
    await rejectsWith("retry", dying);
    assert.equal((await fixture.keys()).length, 1);
  });
});
