/** What networks, quotas, permissions and other loads do in the middle of a load, and that the invariants hold. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ReplayportError } from "../../../src/errors.ts";
import { hours } from "../../conformance/batches.ts";
import { rejectsWith, row } from "../../conformance/context.ts";
import { anyOf, first, type ProxiedRequest } from "../../support/fault_proxy.ts";
import {
  beginsUpload,
  bigquerySkip,
  commitOf,
  dropsTable,
  insertsJob,
  openBigQueryFixture,
  refusal,
} from "./fixture.ts";

const skip = await bigquerySkip();

suite("bigquery: faults", { skip, concurrency: false }, () => {
  test("the commit came through and its answer was lost: it is found by its id, and the load resolves", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    fixture.proxy.decide(first(1, commitOf(fixture), { kind: "cut-answer" }));
    const receipt = await destination.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 2)]);
    assert.deepEqual(await fixture.receipts(), [receipt]);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("a commit that is lost before BigQuery saw it is sent again under the same id", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    fixture.proxy.decide(first(1, commitOf(fixture), { kind: "cut-request" }));
    const receipt = await destination.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 2)]);
    assert.deepEqual(await fixture.receipts(), [receipt]);
    assert.deepEqual(await fixture.leftovers(), []);
    const commits = [...fixture.server.layer.jobs.keys()].filter((id) => id.startsWith("replayport_commit_"));
    assert.match(commits.at(-1) ?? "", /_g0$/);
  });

  test("the upload's answer was lost: the rows are there once", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const isPart = ({ method }: ProxiedRequest): boolean => method === "PUT";
    fixture.proxy.decide(first(1, isPart, { kind: "cut-answer" }));
    const receipt = await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1), row("b", 1)]]), signal);
    assert.equal(receipt.rows, 2);
    assert.deepEqual(await fixture.rows(), [row("a", 1), row("b", 1)]);
    assert.equal([...fixture.server.layer.jobs.keys()].filter((id) => id.includes(receipt.attempt)).length, 1);
  });

  test("an expired token is renewed once, and then it is an error that says so", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const expired = refusal(401, "authError", "Request had invalid authentication credentials.");
    fixture.proxy.decide(anyOf(first(1, insertsJob, expired), first(1, beginsUpload, expired)));
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 1)]);
    fixture.proxy.decide(() => expired);
    const error = await rejectsWith("give-up", destination.check(signal));
    assert.equal(error.code, "bigquery.bad_credentials");
  });

  test("a quota that is used up is a retry, after the time that BigQuery asks for", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const quota = refusal(403, "quotaExceeded", "Quota exceeded: too many load jobs", { "retry-after": "42" });
    fixture.proxy.decide(first(1, beginsUpload, quota));
    const batch = await fixture.batches.batch(hours(0), [[row("a", 1)]]);
    const error = await rejectsWith("retry", destination.load(batch, signal));
    assert.deepEqual([error.code, error.retryAfterMs], ["bigquery.quota", 42_000]);
    assert.deepEqual(await fixture.leftovers(), []);
    assert.deepEqual(await fixture.receipts(), []);
  });

  test("a staging table of the attempt that is there already is used as it is", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const isCreation = ({ method, path }: ProxiedRequest): boolean =>
      method === "POST" && path.split("?")[0]?.endsWith("/tables") === true;
    // The first request makes it, its answer is lost, and the client sends it again: 409.
    await using patient = fixture.open({ maxAttempts: 2 });
    fixture.proxy.decide(first(1, isCreation, { kind: "cut-answer" }));
    await patient.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 1)]);
    assert.deepEqual(await fixture.leftovers(), []);
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 2)]);
  });

  test("a permission that is removed half-way is named with the statement that gives it", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const before = await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    const message = "Access Denied: Table t: Permission bigquery.tables.updateData denied on table t";
    fixture.proxy.decide(first(1, commitOf(fixture), refusal(403, "accessDenied", message)));
    const batch = await fixture.batches.batch(hours(0), [[row("a", 2)]]);
    const error = await rejectsWith("give-up", destination.load(batch, signal));
    assert.match(error.hint ?? "", /bigquery\.tables\.updateData is missing: GRANT `roles\/bigquery\.dataEditor`/);
    assert.deepEqual(await fixture.rows(), [row("a", 1)]);
    assert.deepEqual(await fixture.receipts(), [before]);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("a staging table that cannot be dropped is told of, and does not fail the load", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    const warnings: string[] = [];
    await using destination = fixture.open({}, { onWarning: (message) => warnings.push(message) });
    fixture.proxy.decide((request) => (dropsTable(request) ? refusal(403, "accessDenied", "no") : undefined));
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 1)]);
    assert.match(warnings.join(), /staging table was left behind/);
    assert.equal((await fixture.leftovers()).length, 1);
    fixture.proxy.decide(() => undefined);
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), signal);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("an abort while the commit runs cancels the job, and the truth is told", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const batch = await fixture.batches.batch(hours(0), [[row("a", 1)]]);
    const abort = new AbortController();
    fixture.server.layer.beforeJob = (jobId) => {
      if (jobId.startsWith("replayport_commit_")) abort.abort(new Error("the worker is to stop"));
      return Promise.resolve();
    };
    try {
      // The emulator's jobs cannot be stopped, so this one commits; what committed is no failure.
      const receipt = await destination.load(batch, abort.signal);
      assert.deepEqual(await fixture.receipts(), [receipt]);
      assert.deepEqual(await fixture.leftovers(), []);
      assert.ok(
        fixture.proxy.requests.some(({ path }) => path.includes("/cancel")),
        "jobs.cancel was called",
      );
    } finally {
      fixture.server.layer.beforeJob = () => Promise.resolve();
    }
    signal.throwIfAborted();
  });

  test("an id of a commit that is spent is passed over, and one that is undone is no winner", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    // Somebody empties the ledger: the next load sees no receipt, and wants the id that the first one has.
    const { select, dataset } = fixture;
    await select(`DELETE FROM \`replayport-test.${dataset}._replayport_receipts\` WHERE TRUE`);
    const receipt = await destination.load(await fixture.batches.batch(hours(0), [[row("a", 2)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 2)]);
    assert.deepEqual(await fixture.receipts(), [receipt]);
  });

  test("a transaction that BigQuery cancels for another one is made again under the next generation", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const conflict = {
      jobReference: { projectId: "replayport-test", jobId: "x" },
      configuration: {},
      status: {
        state: "DONE",
        errorResult: {
          reason: "invalidQuery",
          message: "Transaction is aborted due to concurrent update against table acme:d.sessions.",
        },
      },
    };
    fixture.proxy.decide(
      first(1, commitOf(fixture), {
        kind: "answer",
        status: 200,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(conflict),
      }),
    );
    await destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), signal);
    assert.deepEqual(await fixture.rows(), [row("a", 1)]);
    const commits = [...fixture.server.layer.jobs.keys()].filter((id) => id.startsWith("replayport_commit_"));
    assert.match(commits.at(-1) ?? "", /_after_nothing_g1$/);
  });

  test("a load that is aborted while it asks for what another one waits for does not take it along", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    const abort = new AbortController();
    const reason = new Error("enough");
    const asks = ({ method, path }: ProxiedRequest): boolean => method === "GET" && /\/datasets\/\w+(\?|$)/.test(path);
    fixture.proxy.decide(first(1, asks, { kind: "hold-answer", until: new Promise(() => undefined) }));
    const left = destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), abort.signal);
    const stays = destination.load(await fixture.batches.batch(hours(1), [[row("b", 1)]]), signal);
    setImmediate(() => abort.abort(reason));
    await assert.rejects(left, (error) => error === reason);
    await stays;
    assert.deepEqual(await fixture.rows(), [row("b", 1)]);
  });

  test("a load in which nothing works is left at once when it is aborted", async () => {
    await using fixture = await openBigQueryFixture();
    await using destination = fixture.open();
    fixture.proxy.decide(() => ({ kind: "hold-answer", until: new Promise(() => undefined) }));
    const abort = new AbortController();
    const reason = new Error("enough");
    const loading = destination.load(await fixture.batches.batch(hours(0), [[row("a", 1)]]), abort.signal);
    setImmediate(() => abort.abort(reason));
    await assert.rejects(loading, (error) => error === reason && !(error instanceof ReplayportError));
  });
});
