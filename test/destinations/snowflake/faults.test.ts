/** What networks, tokens, quotas, permissions and time limits do in the middle of a load, and that the invariants hold. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { stagedFile } from "../../../destinations/files/staged_file.ts";
import type { Batch } from "../../../destinations/destination.ts";
import type { SnowflakeOptions } from "../../../destinations/snowflake/index.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { leftovers } from "./harness.ts";
import { EVERYTHING, rejection, rejectsWith } from "../../conformance/context.ts";
import { first, openFaultProxy, type Fault, type FaultProxy } from "../../support/fault_proxy.ts";
import { DATABASE, TOKEN } from "./emulator.ts";
import { sessions } from "./batches.ts";
import { openHooked, openFixture, server, SIGNAL, skip, told, type Fixture } from "./fixture.ts";

const BEFORE = [{ SESSION_ID: "a", _VERSION: 1 }];
const AFTER = [
  { SESSION_ID: "a", _VERSION: 2 },
  { SESSION_ID: "b", _VERSION: 2 },
];
const NEXT = sessions({ session: "a", version: 2 }, { session: "b", version: 2 });

interface Setting extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly proxy: FaultProxy;
  /** Through the proxy. */
  readonly options: SnowflakeOptions;
  /** Whether readers see the load of NEXT; fails where they see neither it nor what was before, or where something lies around. */
  outcome(): Promise<"old" | "new">;
}

/** A table with one row and one receipt, and a line to it that can break. */
async function setting(): Promise<Setting> {
  const fixture = await openFixture();
  const { files } = await server.objects(fixture.schema);
  const receipt = await fixture
    .open()
    .load(await fixture.batch({ files: [sessions({ session: "a", version: 1 })] }), SIGNAL);
  const proxy = await openFaultProxy(server.url);
  await server.clearLog();
  return {
    fixture,
    proxy,
    options: { ...fixture.options, port: Number(new URL(proxy.url).port) },
    async outcome() {
      const rows = await fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"');
      const receipts = await Array.fromAsync(fixture.open().receipts(EVERYTHING, SIGNAL));
      const isNew = receipts[0]?.attempt !== receipt.attempt;
      assert.equal(receipts.length, 1);
      assert.deepEqual(rows, isNew ? AFTER : BEFORE);
      assert.deepEqual(await leftovers(server, fixture.schema, files), []);
      return isNew ? "new" : "old";
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server.endSessions();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

const isQuery = ({ path }: { readonly path: string }): boolean => path.startsWith("/queries/");

/** The line breaks at the statement, so often. */
function breakingAt({ options, proxy }: Setting, statement: RegExp, fault: Fault, times: number) {
  return openHooked(options, {
    before({ sql }) {
      if (statement.test(sql)) proxy.decide(first(times, isQuery, fault));
    },
  });
}

suite("Snowflake: a line that breaks", { skip, timeout: 600_000 }, () => {
  for (const statement of [/^BEGIN/, /^UPDATE/, /^MERGE/, /^INSERT/, /^COMMIT/, /^PUT/, /^REMOVE/]) {
    for (const kind of ["cut-request", "cut-answer"] as const) {
      test(`${kind} of ${statement.source}: the driver sends it again, and the load goes through`, async () => {
        await using set = await setting();
        const destination = breakingAt(set, statement, { kind }, 1);
        const batch = await set.fixture.batch({ files: [NEXT] });
        assert.equal((await destination.load(batch, SIGNAL)).rows, 2);
        assert.equal(await set.outcome(), "new");
        assert.equal(await server.openSessions(), 0);
      });
    }
  }

  test("COPY may run twice where its answer is lost: the rows are counted, and the next load goes through", async () => {
    await using set = await setting();
    const destination = breakingAt(set, /^COPY/, { kind: "cut-answer" }, 1);
    const error = await rejectsWith("retry", destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL));
    assert.equal(error.code, "warehouse.rows_differ");
    assert.equal(await set.outcome(), "old");
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal(await set.outcome(), "new");
  });
});

suite("Snowflake: a session that is lost", { skip, timeout: 600_000 }, () => {
  for (const statement of [/^PUT/, /^COPY/, /^MERGE/, /^INSERT/]) {
    test(`at ${statement.source}: nothing has changed, and another session removes the files`, async () => {
      await using set = await setting();
      const destination = openHooked(set.options, {
        before: async ({ sql }) => (statement.test(sql) ? await server.endSessions() : undefined),
      });
      const error = await rejectsWith("retry", destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL));
      assert.equal(error.code, "snowflake.session_lost");
      assert.equal(await set.outcome(), "old");
    });
  }

  test("before the COMMIT came: the outcome is called unknown, and the next load settles it", async () => {
    await using set = await setting();
    const destination = openHooked(set.options, {
      before: async ({ sql }) => (sql === "COMMIT" ? await server.endSessions() : undefined),
    });
    const error = await rejectsWith("retry", destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL));
    assert.equal(error.code, "load.commit_unknown");
    assert.equal(await set.outcome(), "old");
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal(await set.outcome(), "new");
  });

  test("after the COMMIT was done: the load resolves", async () => {
    await using set = await setting();
    await server.inject({ match: "^COMMIT", code: "390111", times: 1, kind: "after" });
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal(await set.outcome(), "new");
  });

  test("after the COMMIT was done, and nobody can be asked: the outcome is called unknown, and a repeat is harmless", async () => {
    await using set = await setting();
    let dead = false;
    const gone = (): void => {
      if (dead) throw new ReplayportError("nobody answers", { code: "snowflake.unreachable", remedy: "retry" });
    };
    const destination = openHooked(set.options, {
      before: gone,
      after({ sql }) {
        dead ||= sql === "COMMIT";
        gone();
      },
    });
    const error = await rejectsWith("retry", destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL));
    assert.equal(error.code, "load.commit_unknown");
    assert.match(error.hint ?? "", /in full or not at all/);
    assert.deepEqual(await set.fixture.rows("SESSIONS", '"SESSION_ID", "_VERSION"'), AFTER);
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal(await set.outcome(), "new");
  });

  test("whose token has expired is renewed by the driver", async () => {
    await using set = await setting();
    await server.inject({ match: "^MERGE", code: "390112", message: "Session token expired.", times: 1 });
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal((await server.log()).filter(({ renewed }) => renewed !== undefined).length, 1);
    assert.equal(await set.outcome(), "new");
  });
});

suite("Snowflake: refusals half-way", { skip, timeout: 600_000 }, () => {
  for (const { at, code, remedy, name, hint } of [
    { at: "^COPY", code: "090073", remedy: "retry", name: "snowflake.quota", hint: /resource monitor/ },
    { at: "^MERGE", code: "090073", remedy: "retry", name: "snowflake.quota", hint: /another `warehouse`/ },
    { at: "^COPY", code: "000607", remedy: "retry", name: "snowflake.warehouse_suspended", hint: /AUTO_RESUME/ },
    { at: "^MERGE", code: "000630", remedy: "retry", name: "snowflake.timeout", hint: /statement_timeout/ },
    { at: "^COPY", code: "003001", remedy: "give-up", name: "snowflake.access_denied", hint: /an owner/ },
    {
      at: "^MERGE",
      code: "003001",
      remedy: "give-up",
      name: "snowflake.access_denied",
      hint: /^GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "REPLAYPORT_TEST"\."\w+"\."SESSIONS" TO ROLE "REPLAYPORT";$/,
    },
    {
      at: "^INSERT",
      code: "003001",
      remedy: "give-up",
      name: "snowflake.access_denied",
      hint: /GRANT SELECT, INSERT ON TABLE "REPLAYPORT_TEST"\."\w+"\."_REPLAYPORT_RECEIPTS" TO ROLE/,
    },
    { at: "^COMMIT", code: "000603", remedy: "retry", name: "snowflake.internal", hint: /internal error/ },
  ] as const) {
    test(`${code} at ${at}: ${name}, and nothing has changed`, async () => {
      await using set = await setting();
      await server.inject({ match: at, code, message: "no", times: 1 });
      const error = await rejectsWith(
        remedy,
        set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL),
      );
      assert.equal(error.code, name);
      assert.match(error.hint ?? "", hint);
      assert.equal(await set.outcome(), "old");
      assert.equal(await server.openSessions(), 0);
    });
  }

  test("files that may not be removed any more are a warning where the load is committed", async () => {
    await using set = await setting();
    const warnings: string[] = [];
    const destination = set.fixture.open({}, { onWarning: (message) => warnings.push(message) });
    await server.inject({ match: "^DROP TABLE", code: "003001", message: "no", times: 1 });
    await destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.deepEqual(warnings, [
      "the batch is loaded, but some of its staged files couldn't be removed; a later load removes them",
    ]);
    await set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), SIGNAL);
    assert.equal(await set.outcome(), "new");
  });

  test("an OAuth token that has expired stops the export, and one in a file is waited for", async () => {
    await using set = await setting();
    const expired = { match: "LOGIN", code: "390318", message: "OAuth access token expired.", times: 1 } as const;
    await server.inject(expired);
    const options = { username: "TOKENS", auth: { type: "oauth", token: TOKEN } } as const;
    const error = await rejectsWith(
      "give-up",
      set.fixture.open(options).load(await set.fixture.batch({ files: [NEXT] }), SIGNAL),
    );
    assert.equal(error.code, "snowflake.token_expired");
    assert.ok(!`${error.message} ${error.hint}`.includes(TOKEN));
    assert.equal(await set.outcome(), "old");
  });

  test("a staging table that is there already is replaced", async () => {
    await using set = await setting();
    const batch = await set.fixture.batch({ files: [NEXT] });
    const staging = `"${DATABASE}"."${set.fixture.schema}"."_REPLAYPORT_STAGING_${batch.attempt.toUpperCase()}"`;
    await set.fixture.sql(`CREATE TABLE ${staging} ("SESSION_ID" VARCHAR, "_VERSION" NUMBER)`);
    await set.fixture.sql(`INSERT INTO ${staging} VALUES ('ghost', 9)`);
    await set.fixture.open().load(batch, SIGNAL);
    assert.equal(await set.outcome(), "new");
  });
});

suite("Snowflake: time limits and aborts", { skip, timeout: 600_000 }, () => {
  const cancelled = async (statement: RegExp): Promise<boolean> => {
    const log = await server.log();
    const request = log.find(({ sql }) => sql !== undefined && statement.test(sql))?.request;
    return request !== undefined && log.some(({ cancel }) => cancel === request);
  };

  for (const statement of [/^COPY/, /^MERGE/]) {
    test(`${statement.source} that outlives its limit is cancelled in Snowflake too`, async () => {
      await using set = await setting();
      await server.inject({ match: statement.source, times: 1, kind: "hang" });
      const destination = set.fixture.open({ statementTimeoutMs: 3_000 });
      const error = await rejectsWith("retry", destination.load(await set.fixture.batch({ files: [NEXT] }), SIGNAL));
      assert.equal(error.code, "snowflake.no_answer");
      assert.ok(await cancelled(statement), "no request to cancel it");
      const [settings] = await set.fixture.sent();
      assert.match(settings ?? "", /STATEMENT_TIMEOUT_IN_SECONDS = 3\b/);
      assert.equal(await set.outcome(), "old");
      assert.equal(await server.openSessions(), 0);
    });
  }

  for (const statement of [/^DESCRIBE/, /^COPY/, /^MERGE/]) {
    test(`an abort during ${statement.source} cancels it, rolls back and leaves nothing`, async () => {
      await using set = await setting();
      await server.inject({ match: statement.source, times: 1, kind: "hang" });
      const abort = new AbortController();
      const reason = new Error("the worker is to stop");
      const loading = set.fixture.open().load(await set.fixture.batch({ files: [NEXT] }), abort.signal);
      loading.catch(() => undefined);
      await Promise.race([told(statement), loading]);
      abort.abort(reason);
      assert.equal(await rejection(loading), reason);
      assert.ok(await cancelled(statement), "no request to cancel it");
      assert.equal(await set.outcome(), "old");
      assert.equal(await server.openSessions(), 0);
    });
  }

  test("an abort during an upload leaves no file that arrives later", async () => {
    await using set = await setting();
    const path = join(set.fixture.folder, "large.parquet");
    await writeFile(path, Buffer.alloc(256 * 1024 * 1024));
    const file = await stagedFile(path, { rows: 1 });
    const abort = new AbortController();
    const reason = new Error("the worker is to stop");
    const batch: Batch = {
      ...(await set.fixture.batch({ files: [] })),
      // oxlint-disable-next-line typescript/require-await
      files: (async function* once() {
        yield file;
      })(),
    };
    const loading = set.fixture.open().load(batch, abort.signal);
    loading.catch(() => undefined);
    // The driver has been told where the file goes, and takes its time to bring it there.
    await Promise.race([told(/^PUT/), loading]);
    abort.abort(reason);
    assert.equal(await rejection(loading), reason);
    await setTimeout(2000);
    assert.equal(await set.outcome(), "old");
  });
});
