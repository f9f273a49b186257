/** A lake on S3 while lines break, servers ask for patience and others are faster. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { hours } from "../../conformance/batches.ts";
import { gateAfter } from "../../conformance/interrupted.ts";
import { openTestLake, s3Options } from "./harness.ts";
import { EVERYTHING, rejectsWith, row } from "../../conformance/context.ts";
import { first } from "../../support/fault_proxy.ts";
import { isData, isManifest, openFixture, refusal, signalled, SIGNAL, skip } from "./s3_fixture.ts";

suite("lake on S3: faults", { skip }, () => {
  test("SlowDown during the upload is waited out", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide(first(2, isData, refusal(503, "SlowDown")));
    await using lake = fixture.open();
    await lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    assert.equal(fixture.proxy.requests.filter(isData).length, 3);
    assert.equal((await fixture.keys()).length, 2);
  });

  test("SlowDown that does not end rejects with retry, and leaves nothing", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide((request) =>
      isData(request) ? refusal(503, "SlowDown", "", { "retry-after": "7" }) : undefined,
    );
    await using lake = fixture.open({ maxAttempts: 1 });
    const batch = await fixture.batches.batch(hours(0), [[row("a", 1)]]);
    const error = await rejectsWith("retry", lake.load(batch, SIGNAL));
    assert.equal(error.retryAfterMs, 7000);
    assert.deepEqual(await fixture.keys(), []);
  });

  for (const maxAttempts of [1, 3]) {
    for (const fault of ["cut-request", "cut-answer"] as const) {
      test(`the commit is known although its line broke (${fault}, ${maxAttempts} tries of the SDK)`, async () => {
        await using fixture = await openFixture();
        fixture.proxy.decide(first(1, isManifest, { kind: fault }));
        await using lake = fixture.open({ maxAttempts });
        const receipt = await lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
        assert.deepEqual(await Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL)), [receipt]);
        assert.equal((await fixture.keys()).length, 2);
      });
    }
  }

  test("a conflict (409) is tried again", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide(first(2, isManifest, refusal(409, "ConditionalRequestConflict")));
    await using lake = fixture.open();
    await lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    assert.equal((await fixture.keys()).length, 2);
  });

  test("a commit that is not allowed is given up, and the files are removed", async () => {
    await using fixture = await openFixture();
    fixture.proxy.decide((request) => (isManifest(request) ? refusal(403, "AccessDenied") : undefined));
    await using lake = fixture.open();
    const error = await rejectsWith(
      "give-up",
      lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL),
    );
    assert.equal(error.code, "store.access_denied");
    assert.match(error.hint ?? "", /s3:PutObject on s3:\/\/.*_replayport/);
    assert.deepEqual(await fixture.keys(), []);
  });

  test("an attempt that was held up in its commit loses to the one that was not", async () => {
    await using fixture = await openFixture();
    const held = signalled();
    const reached = signalled();
    fixture.proxy.decide((request) => {
      if (!isManifest(request)) return undefined;
      reached.fire();
      return { kind: "hold-request", until: held.promise };
    });
    await using lake = fixture.open();
    const slow = lake.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    slow.catch(() => undefined);
    await reached.promise;
    await using other = openTestLake(s3Options(fixture.server, fixture.bucket));
    const receipt = await other.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
    held.fire();
    const error = await rejectsWith("retry", slow);
    assert.equal(error.code, "load.lost_race");
    assert.deepEqual(await Array.fromAsync(other.receipts(EVERYTHING, SIGNAL)), [receipt]);
    assert.equal((await fixture.keys()).length, 2);
  });

  test("a server that dies midway leaves the ledger as it was, and the next load removes the rest", async () => {
    await using fixture = await openFixture();
    const gate = gateAfter(1);
    const warnings: string[] = [];
    const lake = fixture.open({ maxAttempts: 1, onWarning: (message) => warnings.push(message) });
    const files = [[row("a", 1)], [row("b", 1)]];
    const loading = lake.load(await fixture.batches.batch(hours(0), files, { through: gate.through }), SIGNAL);
    loading.catch(() => undefined);
    await gate.reached;
    fixture.proxy.die();
    gate.open();
    assert.equal((await rejectsWith("retry", loading)).code, "store.unreachable");
    assert.equal(warnings.length, 1);
    // Uploads appear at the commit: nobody sees the file that was uploaded.
    assert.equal((await fixture.keys()).length, 0);
    await using next = openTestLake(s3Options(fixture.server, fixture.bucket));
    assert.deepEqual(await Array.fromAsync(next.covered(EVERYTHING, SIGNAL)), []);
    await next.load(await fixture.batches.batch(hours(0), files), SIGNAL);
    assert.equal((await fixture.keys()).length, 3);
  });

  test("a receipt that is replaced between the listing and its reading is given as it is now", async () => {
    await using fixture = await openFixture();
    await using other = openTestLake(s3Options(fixture.server, fixture.bucket));
    await other.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
    const held = signalled();
    const reached = signalled();
    fixture.proxy.decide(({ method, path }) => {
      if (method !== "GET" || !/\.000000\.[^/]*json/.test(path)) return undefined;
      reached.fire();
      return { kind: "hold-request", until: held.promise };
    });
    await using lake = fixture.open();
    const reading = Array.fromAsync(lake.receipts(EVERYTHING, SIGNAL));
    await reached.promise;
    const receipt = await other.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), SIGNAL);
    held.fire();
    assert.deepEqual(await reading, [receipt]);
  });
});
