/**
 * Commits of a table come one after the other. BigQuery would let two transactions that only insert run at once, and the
 * emulator runs everything in turn: so these tests look at when jobs are asked for, and not at what becomes of them.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { hours } from "../../conformance/batches.ts";
import { rejection } from "../../conformance/context.ts";
import { first, type ProxiedRequest } from "../../support/fault_proxy.ts";
import { bigquerySkip, type BigQueryFixture, commitOf, openBigQueryFixture, refusal } from "./fixture.ts";
import { ReplayBatches, type ReplayRow } from "../replay_batches.ts";

const skip = await bigquerySkip();

const LATER = "2026-10-02 11:00:00.654321";
const EARLIER = "2026-09-20 00:00:00.000000";

function replay(session: string, version: number, start: string): ReplayRow {
  return { session, version, start, end: LATER };
}

async function current({ select }: BigQueryFixture): Promise<string[]> {
  const rows = await select("SELECT session_id, _version FROM TABLE_ ORDER BY session_id, _version");
  return rows.map((row) => row.join(" v"));
}

function commits({ server, dataset }: BigQueryFixture): string[] {
  return [...server.layer.jobs]
    .filter(([id, { configuration }]) => id.startsWith("replayport_commit_") && query(configuration).includes(dataset))
    .map(([id]) => id.replace(/.*_after_/, ""));
}

function query(configuration: { readonly query?: { readonly query: string } }): string {
  return configuration.query?.query ?? "";
}

/** While the first commit runs, the other load goes as far as it can. */
function whileCommitRuns({ server, proxy }: BigQueryFixture, other: () => Promise<unknown>): { waits: Promise<void> } {
  const { layer } = server;
  let follows = (): void => undefined;
  const waits = new Promise<void>((resolve) => {
    follows = resolve;
  });
  const asksForCommit = ({ method, path }: ProxiedRequest): boolean =>
    method === "GET" && path.includes("/jobs/replayport_commit_");
  proxy.decide((request) => {
    if (asksForCommit(request)) follows();
    return undefined;
  });
  let begun = false;
  layer.beforeJob = async (jobId) => {
    if (begun || !jobId.startsWith("replayport_commit_")) return;
    begun = true;
    layer.overtake(async () => {
      // A load that asks for a commit of its own instead of waiting ends the wait by its end.
      await Promise.race([waits, other().catch(() => undefined)]);
    });
    await layer.overtaken();
  };
  return { waits };
}

suite("bigquery: commits of a table", { skip, concurrency: false }, () => {
  test("two intervals with the same new session, at once: the second waits for the first, and the row is there once", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using one = fixture.healthy();
    await using two = fixture.open();
    const older = await batches.batch(hours(1), [replay("a", 1, LATER)]);
    const newer = await batches.batch(hours(2), [replay("a", 2, EARLIER)]);
    let during: string[] = [];
    let second: Promise<unknown> = Promise.resolve();
    const { waits } = whileCommitRuns(fixture, () => (second = two.load(newer, signal)));
    const seen = waits.then(() => (during = commits(fixture)));
    try {
      await one.load(older, signal);
      await second;
    } finally {
      fixture.server.layer.beforeJob = () => Promise.resolve();
    }
    await seen;
    assert.deepEqual(during, ["nothing_g0"], "no other commit was asked for while the first one ran");
    assert.deepEqual(await current(fixture), ["a v2"]);
    assert.deepEqual(commits(fixture), ["nothing_g0", `${older.attempt}_g0`]);
    assert.equal((await fixture.receipts()).length, 2);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("one who waits for another's commit and is aborted leaves that commit alone", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using one = fixture.healthy();
    await using two = fixture.open();
    const abort = new AbortController();
    const reason = new Error("the worker is to stop");
    const impatient = await batches.batch(hours(2), [replay("b", 1, LATER)]);
    let second: Promise<unknown> = Promise.resolve();
    const { waits } = whileCommitRuns(fixture, () => (second = rejection(two.load(impatient, abort.signal))));
    const aborted = waits.then(() => abort.abort(reason));
    try {
      const receipt = await one.load(await batches.batch(hours(1), [replay("a", 1, LATER)]), signal);
      await aborted;
      assert.equal(await second, reason);
      assert.deepEqual(await fixture.receipts(), [receipt]);
    } finally {
      fixture.server.layer.beforeJob = () => Promise.resolve();
    }
    assert.deepEqual(
      fixture.proxy.requests.filter(({ path }) => path.includes("/cancel")),
      [],
    );
    assert.deepEqual(await current(fixture), ["a v1"]);
    assert.deepEqual(await fixture.leftovers(), []);
  });

  test("a load in between that goes further back is met by a new plan: the older row finds the newer one", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using slow = fixture.open();
    await using fast = fixture.healthy();
    const old = await batches.batch(hours(1), [replay("a", 1, LATER)]);
    const newer = await batches.batch(hours(2), [replay("a", 2, EARLIER)]);
    let loading: Promise<unknown> | undefined;
    const isCommit = commitOf(fixture);
    fixture.proxy.decide((request) => {
      if (loading !== undefined || !isCommit(request)) return undefined;
      loading = fast.load(newer, signal);
      return { kind: "hold-request", until: loading };
    });
    await slow.load(old, signal);
    assert.deepEqual(await current(fixture), ["a v2"]);
    assert.deepEqual(commits(fixture), ["nothing_g0", `${newer.attempt}_g0`]);
  });

  test("a plan whose ledger has changed under it is refused by the transaction itself, and made anew", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    const one = await batches.batch(hours(1), [replay("a", 1, LATER)]);
    await destination.load(one, signal);
    const { layer } = fixture.server;
    const ledger = `\`replayport-test.${fixture.dataset}._replayport_receipts\``;
    let changed = false;
    layer.beforeJob = async (jobId) => {
      if (changed || !jobId.startsWith("replayport_commit_")) return;
      changed = true;
      await fixture.select(`DELETE FROM ${ledger} WHERE TRUE`);
    };
    try {
      await destination.load(await batches.batch(hours(2), [replay("b", 1, LATER)]), signal);
    } finally {
      layer.beforeJob = () => Promise.resolve();
    }
    assert.deepEqual(await current(fixture), ["a v1", "b v1"]);
    assert.deepEqual(commits(fixture), ["nothing_g0", `${one.attempt}_g0`, "nothing_g1"]);
  });

  test("another load's commit that failed is passed over under the next generation", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using unlucky = fixture.healthy();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), []), signal);
    const { layer } = fixture.server;
    const staged = await batches.batch(hours(1), [replay("a", 1, LATER)]);
    layer.beforeJob = async (jobId) => {
      // What the commit reads is taken away under it.
      if (jobId.startsWith("replayport_commit_")) await fixture.select(`DROP TABLE ${await stagingOf(fixture)}`);
    };
    try {
      await rejection(unlucky.load(staged, signal));
    } finally {
      layer.beforeJob = () => Promise.resolve();
    }
    await destination.load(await batches.batch(hours(2), [replay("b", 1, LATER)]), signal);
    assert.deepEqual(await current(fixture), ["b v1"]);
    const [, ...after] = commits(fixture);
    assert.equal(new Set(after.map((id) => id.replace(/_g\d+$/, ""))).size, 1, "both followed the same commit");
    assert.deepEqual(
      after.map((id) => id.replace(/.*_g/, "")),
      ["0", "1"],
    );
  });

  test("a table whose commits have failed often: the next id is found in a few requests, and planned once", async ({
    signal,
  }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.open();
    const one = await destination.load(await batches.batch(hours(0), [replay("a", 1, LATER)]), signal);
    const { layer, url } = fixture.server;
    const [, hash = ""] = /commit_([0-9a-f]+)_after/.exec([...layer.jobs.keys()].findLast(hasCommitId) ?? "") ?? [];
    for (let generation = 0; generation < 40; generation += 1) {
      const jobReference = { jobId: `replayport_commit_${hash}_after_${one.attempt}_g${generation}` };
      const configuration = { query: { query: "SELECT no_such_column" }, labels: { replayport_attempt: "another" } };
      const body = JSON.stringify({ jobReference, configuration });
      await fetch(`${url}/bigquery/v2/projects/replayport-test/jobs`, { method: "POST", body });
    }
    await layer.idle();
    const seen = fixture.proxy.requests.length;
    await destination.load(await batches.batch(hours(1), [replay("b", 1, LATER)]), signal);
    const requests = fixture.proxy.requests
      .slice(seen)
      .filter(({ method, path }) => method === "GET" && hasCommitId(path));
    assert.ok(requests.length < 20, `${requests.length} requests`);
    const plans = [...layer.jobs.values()].filter((job) => query(job.configuration).includes("keyless"));
    assert.equal(plans.filter((job) => query(job.configuration).includes(fixture.dataset)).length, 2);
    assert.ok(layer.jobs.has(`replayport_commit_${hash}_after_${one.attempt}_g40`));
    assert.deepEqual(await current(fixture), ["a v1", "b v1"]);
  });

  test("an id that is taken by a job which BigQuery no longer knows is passed over", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.open();
    await destination.load(await batches.batch(hours(0), []), signal);
    const taken = refusal(409, "duplicate", "Already Exists: Job p:EU.x");
    const unknown = refusal(404, "notFound", "Not found: Job p:EU.x");
    const asks = ({ method, path }: ProxiedRequest): boolean => method === "GET" && /commit_.*_g0\b/.test(path);
    const insertion = first(1, commitOf(fixture), taken);
    fixture.proxy.decide((request) => (asks(request) ? unknown : insertion(request)));
    await destination.load(await batches.batch(hours(1), [replay("a", 1, LATER)]), signal);
    assert.deepEqual(await current(fixture), ["a v1"]);
    assert.match(commits(fixture).at(-1) ?? "", /_g1$/);
  });

  test("receipts are appended, so that no two exports of a dataset change the same rows", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("a", 1, LATER)]), signal);
    await destination.load(await batches.batch(hours(1), [replay("b", 1, LATER)]), signal);
    const again = await destination.load(await batches.batch(hours(0), [replay("a", 2, LATER)]), signal);
    assert.deepEqual((await fixture.receipts())[0], again);
    const whole = await destination.load(await batches.batch(hours(0, 4), [replay("a", 3, LATER)]), signal);
    assert.deepEqual(await fixture.receipts(), [whole]);
    const [[rows] = []] = await fixture.select(
      `SELECT COUNT(*) FROM \`replayport-test.${fixture.dataset}._replayport_receipts\``,
    );
    assert.equal(rows, "4");
    for (const [id, { configuration }] of fixture.server.layer.jobs) {
      if (!hasCommitId(id) || !query(configuration).includes(fixture.dataset)) continue;
      assert.doesNotMatch(query(configuration), /(?:DELETE|UPDATE|MERGE)[^;]*_replayport_receipts`/);
    }
  });

  test("times of commits only grow, also where the clock goes back", async ({ signal }) => {
    await using fixture = await openBigQueryFixture();
    await using batches = await ReplayBatches.open();
    await using destination = fixture.healthy();
    await destination.load(await batches.batch(hours(0), [replay("a", 1, LATER)]), signal);
    const ledger = `\`replayport-test.${fixture.dataset}._replayport_receipts\``;
    const ahead = "2099-01-01T00:00:00.000Z";
    await fixture.select(`UPDATE ${ledger} SET committed_at = TIMESTAMP '${ahead}' WHERE TRUE`);
    const next = await destination.load(await batches.batch(hours(1), [replay("b", 1, LATER)]), signal);
    assert.equal(next.committedAt.toISOString(), "2099-01-01T00:00:00.001Z");
    assert.deepEqual((await fixture.receipts()).at(-1), next);
  });
});

function hasCommitId(id: string): boolean {
  return id.includes("replayport_commit_");
}

async function stagingOf(fixture: BigQueryFixture): Promise<string> {
  const [table = ""] = await fixture.leftovers();
  return `\`replayport-test.${fixture.dataset}.${table}\``;
}
