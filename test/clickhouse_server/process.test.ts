import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { ReplayportError } from "../../src/errors.ts";
import { NO_PASSWORD } from "../../src/clickhouse_server/credentials.ts";
import { serveEmbedded, startEmbedded } from "../../src/clickhouse_server/start.ts";
import { makeTempDirectory } from "../../src/clickhouse_server/temp_directory.ts";
import { embedded, embeddedSkip } from "../support/embedded.ts";

const ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1 SETTINGS max_threads = 1";

/** Waits for a condition, not for a time. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const patience = (): AbortSignal => AbortSignal.timeout(60_000);

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "replayport-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const hasCode = (code: string) => (error: unknown) => error instanceof ReplayportError && error.code === code;

suite("embedded: queries at once", { skip: embeddedSkip }, () => {
  test("forty concurrent requests each get the answer to their own parameters and settings", async () => {
    await using harness = await embedded();
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const result = await harness.client.query({
          query:
            "SELECT {n:UInt32} AS n, getSetting('log_comment') AS c, sum(number) AS s FROM numbers({n:UInt32} + 1)",
          query_params: { n },
          clickhouse_settings: { log_comment: `q${n}` },
          format: "JSONEachRow",
        });
        return (await result.json())[0];
      }),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 40 }, (_, n) => ({ n, c: `q${n}`, s: (n * (n + 1)) / 2 })),
    );
  });

  test("the server answers pings while queries run, and a disconnect ends its query", async () => {
    await using harness = await embedded();
    const running = async (): Promise<number> => {
      const sql =
        "SELECT count() AS n FROM system.processes WHERE query LIKE '%numbers(1000000000000)%' AND query NOT LIKE '%system.processes%'";
      const result = await harness.client.query({ query: sql, format: "JSONEachRow" });
      return (await result.json<{ n: number }>())[0]!.n;
    };
    const gone = new AbortController();
    // A statement with parameters is written anew by the engine before it runs: a mark in its text would be lost.
    const bound = { query: ENDLESS.replace("= 1 ", "= {one:UInt8} "), query_params: { one: 1 } };
    const abandoned = [{ query: ENDLESS }, { query: ENDLESS }, bound].map((each) =>
      harness.client.exec({ ...each, abort_signal: gone.signal }),
    );
    const settled = Promise.allSettled(abandoned);
    await until("three queries run", async () => (await running()) === 3);
    const asked = performance.now();
    assert.equal(await (await fetch(`${harness.url}/ping`)).text(), "Ok.\n");
    assert.ok(performance.now() - asked < 1000, "ping did not wait for the queries");
    gone.abort();
    await until("the abandoned queries have ended", async () => (await running()) === 0);
    assert.deepEqual(new Set((await settled).map(({ status }) => status)), new Set(["rejected"]));
    await until("their files are gone", async () => (await temporaryFiles(harness.path)).length === 0);
  });

  test("requests beyond the limit wait, and one whose client disconnects is dropped", async () => {
    await using harness = await embedded();
    const gone = new AbortController();
    const blocking = Array.from({ length: 8 }, () =>
      harness.client.exec({ query: ENDLESS, abort_signal: gone.signal }).catch(() => undefined),
    );
    const impatient = new AbortController();
    const dropped = fetch(`${harness.url}/?query=CREATE+DATABASE+dropped`, {
      method: "POST",
      signal: impatient.signal,
    });
    const waiting = fetch(`${harness.url}/?query=SELECT+1`);
    impatient.abort();
    await assert.rejects(dropped);
    gone.abort();
    assert.equal(await (await waiting).text(), "1\n");
    await Promise.all(blocking);
    const result = await harness.client.query({ query: "EXISTS DATABASE dropped", format: "TabSeparated" });
    assert.equal(await result.text(), "0\n");
  });

  test("memoryLimitBytes limits all queries together, and threads is a default", async () => {
    await using harness = await embedded({ memoryLimitBytes: 500_000_000, threads: 1 });
    const result = await harness.client.query({ query: "SELECT getSetting('max_threads')", format: "TabSeparated" });
    assert.equal(await result.text(), "1\n");
    const large = "SELECT groupArray(repeat('x', 100)) FROM numbers(30000000) FORMAT Null";
    await assert.rejects(harness.client.exec({ query: large }), /memory limit exceeded/);
    assert.equal((await harness.client.ping({ select: true })).success, true);
  });
});

suite("embedded: the process", { skip: embeddedSkip }, () => {
  test("a second engine on a data directory fails and names the first", async () => {
    await using harness = await embedded();
    await assert.rejects(
      startEmbedded({ path: harness.path, credentials: NO_PASSWORD, signal: patience() }),
      (error) => {
        assert.ok(hasCode("engine.in_use")(error));
        assert.match((error as Error).message, new RegExp(`in use by process ${harness.engine.pid}$`));
        return true;
      },
    );
    assert.equal((await harness.client.ping({ select: true })).success, true);
  });

  test("a port that is taken is reported", async () => {
    await using directory = await temporaryDirectory();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const starting = startEmbedded({ path: directory.path, port, credentials: NO_PASSWORD, signal: patience() });
      await assert.rejects(starting, hasCode("engine.port_taken"));
    } finally {
      server.close();
    }
  });

  test("a missing chdb is reported with how to install it", async () => {
    await using directory = await temporaryDirectory();
    const hook = join(directory.path, "hook.mjs");
    await writeFile(
      hook,
      `import { registerHooks } from "node:module";
       registerHooks({ resolve: (name, context, next) => next(name === "chdb" ? "chdb-is-not-here" : name, context) });`,
    );
    const before = process.env["NODE_OPTIONS"];
    process.env["NODE_OPTIONS"] = `--import ${hook}`;
    try {
      await assert.rejects(
        startEmbedded({ path: join(directory.path, "data"), credentials: NO_PASSWORD, signal: patience() }),
        (error) => {
          assert.ok(hasCode("engine.missing")(error));
          assert.match((error as ReplayportError).hint ?? "", /npm install chdb/);
          return true;
        },
      );
    } finally {
      if (before === undefined) delete process.env["NODE_OPTIONS"];
      else process.env["NODE_OPTIONS"] = before;
    }
  });

  test("an unusable data directory is reported, and no process stays", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "data");
    await writeFile(join(directory.path, "status"), "");
    await writeFile(path, "not a directory");
    await assert.rejects(startEmbedded({ path, credentials: NO_PASSWORD, signal: patience() }));
  });

  test("an abort while the engine starts rejects with its reason", async () => {
    await using directory = await temporaryDirectory();
    const stop = new AbortController();
    const starting = startEmbedded({ path: directory.path, credentials: NO_PASSWORD, signal: stop.signal });
    stop.abort(new Error("changed my mind"));
    await assert.rejects(starting, /changed my mind/);
    await using engine = await startEmbedded({ path: directory.path, credentials: NO_PASSWORD, signal: patience() });
    assert.ok(isAlive(engine.pid), "the directory is free again");
  });

  test("kill -9 of the engine fails its clients, keeps what was written, and leaves no files", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "data");
    const first = await startEmbedded({ path, credentials: NO_PASSWORD, signal: patience() });
    const client = createClient({ url: first.url, log: { level: ClickHouseLogLevel.OFF } });
    await client.command({ query: "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a" });
    await client.command({ query: "INSERT INTO t SELECT number FROM numbers(100000)" });
    const cut = assert.rejects(client.exec({ query: ENDLESS }), /ECONNRESET|socket hang up|ECONNREFUSED/);
    await until("the query runs", async () => (await temporaryFiles(path)).length > 0);
    process.kill(first.pid, "SIGKILL");
    await cut;
    assert.equal((await first.exited).signal, "SIGKILL");
    assert.deepEqual(await temporaryFiles(path), []);
    await client.close();
    await first[Symbol.asyncDispose]();

    await using second = await startEmbedded({ path, credentials: NO_PASSWORD, signal: patience() });
    const answer = await fetch(`${second.url}/?query=SELECT+count(),sum(a)+FROM+t`);
    assert.equal(await answer.text(), "100000\t4999950000\n");
  });

  test("disposing of the engine ends its queries and process, and frees the directory", async () => {
    await using directory = await temporaryDirectory();
    const engine = await startEmbedded({ path: directory.path, credentials: NO_PASSWORD, signal: patience() });
    const cut = assert.rejects(fetch(engine.url, { method: "POST", body: ENDLESS }));
    await until("the query runs", async () => (await temporaryFiles(directory.path)).length > 0);
    await engine[Symbol.asyncDispose]();
    await cut;
    assert.deepEqual([(await engine.exited).code, isAlive(engine.pid)], [0, false]);
    const left = (await readdir(directory.path)).filter((name) => name.startsWith("replayport-"));
    assert.deepEqual(left, []);
  });

  test("the engine ends with its parent, even after kill -9", async () => {
    await using directory = await temporaryDirectory();
    const start = new URL("../../src/clickhouse_server/start.ts", import.meta.url);
    const script = `
      const { startEmbedded } = await import(${JSON.stringify(start.href)});
      const engine = await startEmbedded({ path: ${JSON.stringify(directory.path)}, credentials: ${JSON.stringify(NO_PASSWORD)}, signal: new AbortController().signal });
      console.log(JSON.stringify({ url: engine.url, pid: engine.pid }));`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const { url, pid } = JSON.parse(line.toString()) as { url: string; pid: number };
    try {
      const cut = assert.rejects(fetch(url, { method: "POST", body: ENDLESS }));
      await until("the query runs", async () => (await temporaryFiles(directory.path)).length > 0);
      parent.kill("SIGKILL");
      await until("the engine has ended", () => !isAlive(pid));
      await cut;
      assert.deepEqual(
        (await readdir(directory.path)).filter((name) => name.startsWith("replayport-")),
        [],
      );
    } finally {
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
    }
  });

  test("serveEmbedded runs until it is aborted, and fails if the engine exits by itself", async () => {
    await using directory = await temporaryDirectory();
    const stop = new AbortController();
    let pid = 0;
    await serveEmbedded({ path: directory.path, credentials: NO_PASSWORD, signal: stop.signal }, (engine) => {
      pid = engine.pid;
      stop.abort();
    });
    assert.equal(isAlive(pid), false);
    const serving = serveEmbedded({ path: directory.path, signal: new AbortController().signal }, (engine) => {
      process.kill(engine.pid, "SIGKILL");
    });
    await assert.rejects(serving, hasCode("engine.exited"));
  });
});

test("the temporary directories of killed engines are removed, others are not", async () => {
  await using parent = await temporaryDirectory();
  const gone = spawn(process.execPath, ["-e", ""]);
  await once(gone, "exit");
  await mkdir(join(parent.path, `replayport-engine-${gone.pid}-abc`));
  await mkdir(join(parent.path, `replayport-engine-${process.ppid}-abc`));
  await mkdir(join(parent.path, "data"));
  const made = await makeTempDirectory(parent.path);
  assert.deepEqual(
    (await readdir(parent.path)).sort(),
    ["data", basename(made), `replayport-engine-${process.ppid}-abc`].sort(),
  );
  assert.equal((await stat(made)).mode & 0o777, 0o700);
});

async function temporaryFiles(path: string): Promise<readonly string[]> {
  const names = (await readdir(path)).filter((name) => name.startsWith("replayport-engine-"));
  return (await Promise.all(names.map((name) => readdir(join(path, name)).catch(() => [])))).flat();
}
