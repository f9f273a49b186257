/** Files through a bucket instead of PUT: a stage of the user's over the lake's kind of store. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { hours } from "../../conformance/batches.ts";
import { failsAfter } from "../../conformance/interrupted.ts";
import { EVERYTHING, rejection, rejectsWith } from "../../conformance/context.ts";
import { DATABASE } from "./emulator.ts";
import { s3Server, type S3Server } from "../../support/s3.ts";
import { crashBefore } from "../../support/crash.ts";
import { crashingSessions } from "./crash.ts";
import { sessions } from "./batches.ts";
import { openFixture, server, SIGNAL, skip as snowflakeSkip, type Fixture } from "./fixture.ts";
import { openSnowflakeOn, type ExternalStage } from "../../../destinations/snowflake/index.ts";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { TEST_DEPS } from "./harness.ts";

const found = await s3Server();
const skip = snowflakeSkip === false && "skip" in found ? found.skip : snowflakeSkip;
const s3 = found as S3Server;

interface Setting extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly externalStage: ExternalStage;
  keys(): Promise<string[]>;
}

/** @param prefix where the stage points to; the destination writes below `snowflake/` */
async function setting(prefix = "snowflake/"): Promise<Setting> {
  const fixture = await openFixture();
  const bucket = await s3.bucket();
  const { endpoint, region, credentials } = s3;
  const { accessKeyId: id, secretAccessKey: secret } = credentials;
  await server.externalStage(`"${DATABASE}"."${fixture.schema}"."LAKE"`, {
    endpoint,
    region,
    bucket,
    prefix,
    id,
    secret,
  });
  return {
    fixture,
    externalStage: {
      stage: "lake",
      bucket: { bucket, prefix: "snowflake", region, endpoint, forcePathStyle: true, credentials },
    },
    async keys() {
      const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }));
      return Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

suite("Snowflake: an external stage", { skip }, () => {
  test("takes the place of PUT: COPY reads what was written to the bucket, and nothing is left there", async () => {
    await using set = await setting();
    const { fixture, externalStage } = set;
    await server.clearLog();
    const files = [sessions({ session: "a", version: 1 }), sessions({ session: "b", version: 1 })];
    const receipt = await fixture.open({ externalStage }).load(await fixture.batch({ files }), SIGNAL);
    assert.deepEqual([receipt.rows, receipt.files], [2, 2]);
    assert.equal((await fixture.rows("SESSIONS")).length, 2);
    assert.deepEqual(await set.keys(), []);
    const sent = await fixture.sent();
    assert.deepEqual(
      sent.filter((sql) => /^(PUT|LIST|REMOVE)/.test(sql)),
      [],
    );
    const copy = sent.find((sql) => sql.startsWith("COPY")) ?? "";
    assert.ok(copy.includes(`FROM '@"${DATABASE}"."${fixture.schema}"."LAKE"/replayport/`), copy);
  });

  test("check walks through it, and leaves nothing", async () => {
    await using set = await setting();
    await set.fixture.open({ externalStage: set.externalStage }).check(SIGNAL);
    assert.deepEqual(await set.keys(), []);
  });

  test("that points elsewhere is found by check, with what to look at", async () => {
    await using set = await setting("elsewhere/");
    const error = await rejectsWith("retry", set.fixture.open({ externalStage: set.externalStage }).check(SIGNAL));
    assert.equal(error.code, "snowflake.staged_file");
    assert.match(error.hint ?? "", /the external stage.s URL doesn.t match its bucket and prefix/);
    assert.deepEqual(await set.keys(), []);
  });

  test("whose grant is missing is named with the statement that gives it", async () => {
    await using set = await setting();
    await server.inject({ match: "^COPY", code: "003001", message: "no", times: 1 });
    const error = await rejectsWith("give-up", set.fixture.open({ externalStage: set.externalStage }).check(SIGNAL));
    const stage = `"${DATABASE}"."${set.fixture.schema}"."LAKE"`;
    assert.ok(error.hint?.includes(`GRANT USAGE ON STAGE ${stage} TO ROLE "REPLAYPORT";`), error.hint);
  });

  test("keeps nothing where the files fail midway, nor of a worker that was killed", async () => {
    await using set = await setting();
    const { fixture, externalStage } = set;
    const files = [sessions({ session: "a", version: 1 }), sessions({ session: "b", version: 1 })];
    const batch = await fixture.batch({ files });
    const failure = new Error("the source has failed");
    const failing = { ...batch, files: failsAfter(1, failure)(batch.files) };
    assert.equal(await rejection(fixture.open({ externalStage }).load(failing, SIGNAL)), failure);
    assert.deepEqual(await set.keys(), []);

    const options = { ...fixture.options, externalStage };
    const killed = crashingSessions(sessionOpener(options), crashBefore(9));
    const doomed = openSnowflakeOn(
      killed,
      options,
      { export: batch.export },
      { ...TEST_DEPS, onWarning: () => undefined },
    );
    await fixture.open({ externalStage }).load(await fixture.batch({ of: hours(5), files: [] }), SIGNAL);
    await rejection(doomed.load(await fixture.batch({ files }), SIGNAL));
    await fixture.open({ externalStage }).load(await fixture.batch({ files }), SIGNAL);
    assert.deepEqual(await set.keys(), []);
    assert.equal((await Array.fromAsync(fixture.open().receipts(EVERYTHING, SIGNAL))).length, 2);
    assert.equal((await fixture.rows("SESSIONS")).length, 2);
    await server.endSessions();
  });
});
