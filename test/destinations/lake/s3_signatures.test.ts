/** Servers that check signatures and checksums, each by code of its own: what the wrong ones lead to. moto checks neither. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Batches, hours } from "../../conformance/batches.ts";
import { EVERYTHING, rejectsWith, row } from "../../conformance/context.ts";
import { openFaultProxy, type ProxiedRequest } from "../../support/fault_proxy.ts";
import { seaweedfsServer, type S3Server } from "../../support/s3.ts";
import type { Unavailable } from "../../support/tools.ts";
import { versitygwServer } from "../../support/versitygw.ts";
import { openTestLake, s3Options, unfinishedUploads } from "./harness.ts";

const SIGNAL = AbortSignal.timeout(300_000);

/** One bit of the body, which keeps its length: a header is signed that has it. */
function damaged(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}

const isText = ({ method, path }: ProxiedRequest): boolean => method === "PUT" && path.includes(".json");
const isPart = ({ method, path }: ProxiedRequest): boolean => method === "PUT" && path.includes("partNumber=");

function checked(name: string, found: S3Server | Unavailable): void {
  suite(`lake on ${name}`, { skip: "skip" in found ? found.skip : false }, () => {
    const server = found as S3Server;
    const { accessKeyId, secretAccessKey } =
      "skip" in found ? { accessKeyId: "", secretAccessKey: "" } : found.credentials;

    for (const [what, credentials] of [
      ["secret", { accessKeyId, secretAccessKey: `${secretAccessKey}x` }],
      ["access key", { accessKeyId: `${accessKeyId}x`, secretAccessKey }],
    ] as const) {
      test(`${name}: a wrong ${what} is an error about credentials, which isn't retried`, async () => {
        const bucket = await server.bucket();
        await using proxy = await openFaultProxy(server.endpoint);
        const options = { ...s3Options(server, bucket), endpoint: proxy.url, credentials };
        await using lake = openTestLake(options);
        const error = await rejectsWith("give-up", lake.check(SIGNAL));
        assert.equal(error.code, "store.bad_credentials");
        assert.ok(!JSON.stringify([error.message, error.hint]).includes(secretAccessKey));
        assert.equal(proxy.requests.length, 1);
      });
    }

    for (const [what, matches] of [
      ["text", isText],
      ["part of a file", isPart],
    ] as const) {
      test(`${name}: a ${what} that was damaged on its way is refused, sent again, and right`, async () => {
        const bucket = await server.bucket();
        await using proxy = await openFaultProxy(server.endpoint);
        await using batches = await Batches.open();
        await using lake = openTestLake({ ...s3Options(server, bucket), endpoint: proxy.url, maxAttempts: 1 });
        proxy.decide((request) => (matches(request) ? { kind: "change", sent: damaged } : undefined));
        const load = async (): Promise<unknown> =>
          await lake.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
        const error = await rejectsWith("retry", load());
        // SeaweedFS says of a text 500, which may also follow a write that was done.
        assert.ok(["store.unavailable", "load.commit_unknown"].includes(error.code), error.code);
        proxy.decide(() => undefined);
        await load();
        assert.equal((await Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL))).length, 1);
        assert.deepEqual(await unfinishedUploads(server, bucket), []);
      });
    }
  });
}

const [seaweedfs, versitygw] = await Promise.all([seaweedfsServer(), versitygwServer()]);
checked("SeaweedFS", seaweedfs);
checked("versitygw", versitygw);
