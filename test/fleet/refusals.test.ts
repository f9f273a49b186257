/** A Redis that answers and refuses: at the start, and while scheduler and workers run. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ReplayportError } from "../../src/errors.ts";
import type { FleetRedisOptions } from "../../src/fleet/fleet.ts";
import { checkRedis } from "../../src/fleet/redis/check.ts";
import { redisError } from "../../src/fleet/redis/errors.ts";
import { type OwnOptions, type OwnRedis, ownRedisFor } from "../support/redis.ts";
import { SETTINGS, drained, exportOf, never, openWorld, until } from "../support/fleet_fixture.ts";

const PASSWORD = "pass/%@#word";
/** A user of the fleet alone, with the privileges that Redis' documentation recommends for applications. */
const USER = ["fleet", "on", `>${PASSWORD}`, "~{test*", "+@all", "-@dangerous"] as const;

async function openFor(t: TestContext, options: OwnOptions = {}): Promise<OwnRedis | undefined> {
  const server = await ownRedisFor(t, options);
  if (!server) return undefined;
  await server.client.acl("SETUSER", ...USER);
  return { ...server, address: { ...server.address, username: "fleet", password: PASSWORD } };
}

/** Redis closes such a connection at once, so its answer may be lost. */
const same = (code: string, expected: string): boolean =>
  code === expected || (expected === "redis.clients" && code === "redis.closed");

async function codeOf(address: FleetRedisOptions): Promise<string> {
  const error = await checkRedis(address).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ReplayportError, String(error));
  assert.doesNotMatch(`${error.message} ${error.hint}`, /can't be reached|that Redis is running/);
  return error.code;
}

/** How Redis begins to refuse, and how it ends. */
interface Refusal {
  readonly code: string;
  readonly begin: (server: OwnRedis) => Promise<unknown>;
  readonly end: (server: OwnRedis) => Promise<unknown>;
}

const dropConnections = (server: OwnRedis): Promise<unknown> =>
  server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "becomes a read-only replica at the same address": {
    code: "redis.read_only",
    begin: (server) => server.client.replicaof("127.0.0.1", 1),
    end: (server) => server.client.replicaof("NO", "ONE"),
  },
  "is a replica that has lost its master": {
    code: "redis.unready",
    begin: async (server) => {
      await server.client.config("SET", "replica-serve-stale-data", "no");
      await server.client.replicaof("127.0.0.1", 1);
    },
    end: (server) => server.client.replicaof("NO", "ONE"),
  },
  "is out of memory": {
    code: "redis.memory",
    begin: (server) => server.client.config("SET", "maxmemory", "1"),
    end: (server) => server.client.config("SET", "maxmemory", "0"),
  },
  "has too few replicas": {
    code: "redis.replicas",
    begin: (server) => server.client.config("SET", "min-replicas-to-write", "1"),
    end: (server) => server.client.config("SET", "min-replicas-to-write", "0"),
  },
  "takes a command away from the user": {
    code: "redis.permission",
    begin: (server) => server.client.acl("SETUSER", "fleet", "-evalsha", "-eval"),
    end: (server) => server.client.acl("SETUSER", "fleet", "+evalsha", "+eval"),
  },
  "takes only the blocking pop away from the user": {
    code: "redis.permission",
    begin: (server) => server.client.acl("SETUSER", "fleet", "-bzpopmin"),
    end: (server) => server.client.acl("SETUSER", "fleet", "+bzpopmin"),
  },
  "takes only the reads of streams away from the user": {
    code: "redis.permission",
    begin: (server) => server.client.acl("SETUSER", "fleet", "-xread"),
    end: (server) => server.client.acl("SETUSER", "fleet", "+xread"),
  },
  "takes a command of its scripts away from the user": {
    code: "redis.permission",
    begin: (server) => server.client.acl("SETUSER", "fleet", "-@write"),
    end: (server) => server.client.acl("SETUSER", "fleet", "+@write", "-@dangerous"),
  },
  "takes the keys away from the user": {
    code: "redis.permission",
    begin: (server) => server.client.acl("SETUSER", "fleet", "resetkeys", "~other*"),
    end: (server) => server.client.acl("SETUSER", "fleet", "resetkeys", "~{test*"),
  },
  "has another password now": {
    code: "redis.password",
    begin: async (server) => {
      await server.client.acl("SETUSER", "fleet", "resetpass", ">another");
      await dropConnections(server);
    },
    end: (server) => server.client.acl("SETUSER", "fleet", "resetpass", `>${PASSWORD}`),
  },
  "has no connection left": {
    code: "redis.clients",
    begin: async (server) => {
      await server.client.config("SET", "maxclients", "1");
      await dropConnections(server);
    },
    end: (server) => server.client.config("SET", "maxclients", "100"),
  },
  "runs a script of somebody else for long": {
    code: "redis.unready",
    begin: async (server) => {
      await server.client.config("SET", "lua-time-limit", "1");
      const other = server.client.duplicate({ retryStrategy: () => null, maxRetriesPerRequest: 0 });
      other.on("error", () => undefined);
      other.eval("while true do end", 0).catch(() => other.disconnect());
      await until(
        "busy",
        async () => await server.client.ping().catch((error: Error) => error.message),
        (answer) => answer.startsWith("BUSY"),
      );
    },
    end: (server) => server.client.script("KILL"),
  },
};

/** Commands that Redis was asked for so far. */
async function asked({ client }: OwnRedis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info("stats"))?.[1]);
}

suite("a Redis with a user of few rights", () => {
  test("a fleet works with a user who may neither ask INFO nor do anything else that is dangerous", async (t) => {
    await using server = await openFor(t);
    if (!server) return;
    await server.client.acl("SETUSER", "fleet", "-client", "-ping", "-info");
    await using world = await openWorld(t, server);
    if (!world) return;
    const warned = t.mock.method(console, "warn", () => undefined);
    const { fleet } = await world.open([exportOf("replays")]);
    const scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(2);
    await world.loaded(11);
    await drained(fleet);
    const health = await fleet.health(never);
    assert.deepEqual([health.redis, health.problem], [true, undefined]);
    await worker.stop(1_000);
    await scheduler[Symbol.asyncDispose]();
    assert.deepEqual([world.logged, world.warned, warned.mock.callCount()], [[], [], 0]);
  });
});

suite("at the start, a Redis that refuses", () => {
  for (const [name, { code, begin }] of Object.entries(REFUSALS)) {
    test(`a Redis that ${name} is refused with ${code}`, async (t) => {
      await using server = await openFor(t);
      if (!server) return;
      await begin(server);
      const found = await codeOf({ ...server.address, prefix: server.prefix() });
      assert.ok(same(found, code), found);
      await server.client.script("KILL").catch(() => undefined);
    });
  }

  for (const command of ["evalsha", "bzpopmin", "xread", "xadd", "set"]) {
    test(`a Redis without the command ${command} is refused, and one that denies it to the user`, async (t) => {
      await using server = await openFor(t, { settings: ["--rename-command", command, ""] });
      if (!server) return;
      assert.equal(await codeOf({ ...server.address, prefix: server.prefix() }), "redis.unsupported");
      await using other = await openFor(t);
      if (!other) return;
      await other.client.acl("SETUSER", "fleet", `-${command}`);
      assert.equal(await codeOf({ ...other.address, prefix: other.prefix() }), "redis.permission");
    });
  }

  test("a Redis without INFO works", async (t) => {
    await using server = await ownRedisFor(t, { settings: ["--rename-command", "info", ""] });
    if (!server) return;
    assert.deepEqual(await checkRedis({ ...server.address, prefix: server.prefix() }), []);
  });
});

suite("while scheduler and worker run, a Redis that refuses", () => {
  for (const [name, { code, begin, end }] of Object.entries(REFUSALS)) {
    test(`a Redis that ${name} is reported once, isn't asked without a pause, and everything is loaded once it accepts`, async (t) => {
      await using server = await openFor(t);
      if (!server) return;
      await using world = await openWorld(t, server);
      if (!world) return;
      const said: string[] = [];
      const log = {
        info: (message: string) => void said.push(message),
        warn: (message: string) => void said.push(message),
        error: (error: unknown, message: string) =>
          void said.push(`${message}: ${error instanceof ReplayportError ? error.code : String(error)}`),
      };
      const settings = { ...SETTINGS, attempts: 2, takeoverMs: 1_000 };
      const { fleet, kinds } = await world.open([exportOf("replays")], { settings, log });
      let begun: Promise<unknown> | undefined;
      world.ledger.beforeCommit = async () => {
        if (world.ledger.loads.length >= 3) await (begun ??= begin(server));
      };
      const scheduler = await fleet.startScheduler(never);
      const worker = await fleet.startWorker(2);
      const { problem = "" } = await until(
        "not ready",
        () => fleet.health(never),
        ({ redis }) => !redis,
      );
      assert.match(problem, /^Redis at redis:\/\/127\.0\.0\.1:\d+\/0 \S/);
      assert.doesNotMatch(problem, /can't be reached|that Redis is running/);
      await until(
        "said",
        () => said,
        (lines) => lines.length > 0,
      );
      await sleep(500);
      const before = await asked(server).catch(() => 0);
      await sleep(1_000);
      assert.ok((await asked(server).catch(() => 0)) - before < 300, "it is asked with pauses");
      world.ledger.beforeCommit = async () => undefined;
      await end(server);
      await until(
        "loaded",
        () => new Set(world.ledger.loads).size,
        (count) => count === 11,
        40,
      );
      await until(
        "ready",
        () => fleet.health(never),
        ({ redis }) => redis,
      );
      await drained(fleet);
      const { failuresInRow, failedIntervals, paused } = await fleet.export("replays", never);
      assert.deepEqual([failuresInRow, failedIntervals, paused, kinds("run.failed")], [0, [], undefined, []]);
      await until(
        "back",
        () => said,
        (lines) => lines.includes("Redis is back"),
      );
      const away = said.filter((line) => /^Redis (?:refuses|is down)/.test(line));
      // A connection that is closed says less than the answer to the next one, so there may be a line for each.
      assert.ok(away.length <= 2 && new Set(away).size === away.length, said.join("\n"));
      assert.equal(said.filter((line) => line === "Redis is back").length, 1, said.join("\n"));
      assert.match(away.join("\n"), new RegExp(`${code}|waiting for it`));
      await worker.stop(1_000);
      await scheduler[Symbol.asyncDispose]();
    });

    test(`worker and scheduler stop in time while Redis ${name}`, async (t) => {
      await using server = await openFor(t);
      if (!server) return;
      await using world = await openWorld(t, server);
      if (!world) return;
      const { fleet } = await world.open([exportOf("replays")]);
      const scheduler = await fleet.startScheduler(never);
      const worker = await fleet.startWorker(1);
      await world.loaded(11);
      await drained(fleet);
      await begin(server);
      await sleep(500);
      const began = performance.now();
      await worker.stop(100);
      await scheduler[Symbol.asyncDispose]();
      await fleet[Symbol.asyncDispose]();
      const took = performance.now() - began;
      await end(server);
      assert.ok(took < 6_000, `${Math.round(took)} ms`);
    });
  }
});

suite("a key of another program in the fleet's place", () => {
  test("a key of the wrong type is said once, isn't asked for without a pause, and the process isn't ready", async (t) => {
    await using server = await openFor(t);
    if (!server) return;
    await using world = await openWorld(t, server);
    if (!world) return;
    await server.client.set(`${world.prefix}:batches:wait`, "of somebody else");
    const { fleet } = await world.open([exportOf("replays")]);
    const scheduler = await fleet.startScheduler(never);
    const worker = await fleet.startWorker(1);
    const { problem = "" } = await until(
      "not ready",
      () => fleet.health(never),
      ({ redis }) => !redis,
    );
    assert.match(problem, /refuses: WRONGTYPE/);
    const before = await asked(server);
    await sleep(1_000);
    assert.ok((await asked(server)) - before < 100);
    assert.equal(world.warned.length, 1, world.warned.join("\n"));
    assert.deepEqual(world.logged, []);
    const began = performance.now();
    await worker.stop(100);
    await scheduler[Symbol.asyncDispose]();
    assert.ok(performance.now() - began < 6_000);
  });
});

suite("what Redis answers", () => {
  const OPTIONS: FleetRedisOptions = {
    kind: "single",
    hosts: [{ host: "LOADING.example", port: 6379 }],
    tls: false,
    db: 0,
    prefix: "{READONLY}",
  };
  const reply = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });
  const SCRIPT6 = "ERR Error running script (call to f_0123456789012345678901234567890123456789): @user_script:1: ";
  for (const [text, code] of [
    ["NOPERM User LOADING has no permissions to run the 'info' command", "redis.permission"],
    ["READONLY You can't write against a read only replica. script: 0f, on @user_script:2.", "redis.read_only"],
    [`${SCRIPT6}@user_script: 1: -READONLY You can't write against a read only replica. `, "redis.read_only"],
    [`${SCRIPT6}@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'. `, "redis.memory"],
    [
      `${SCRIPT6}@user_script: 1: The user executing the script can't run this command or subcommand`,
      "redis.permission",
    ],
    ["ERR ACL failure in script: User READONLY has no permissions to run the 'set' command", "redis.permission"],
    ["UNBLOCKED force unblock from blocking operation, instance state changed", "redis.unready"],
    ["MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.", "redis.disk"],
    ["NOREPLICAS Not enough good replicas to write.", "redis.replicas"],
    ["LOADING Redis is loading the dataset in memory", "redis.unready"],
    ["TRYAGAIN Multiple keys request during rehashing of slot", "redis.unready"],
    ["CLUSTERDOWN Hash slot not served", "redis.unready"],
    ["Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN The cluster is down", "redis.unready"],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "redis.unready"],
    ["BUSY Redis is busy running a script.", "redis.unready"],
    ["NOAUTH Authentication required.", "redis.password"],
    ["WRONGPASS invalid username-password pair or user is disabled.", "redis.password"],
    ["ERR invalid password", "redis.password"],
    ["ERR max number of clients reached", "redis.clients"],
    ["ERR unknown command 'evalsha', with args beginning with: 'READONLY' ", "redis.unsupported"],
    ["ERR timeout is not an integer or out of range", "redis.unsupported"],
    ["MOVED 3999 127.0.0.1:6381", "redis.topology"],
    ["ERR This instance has cluster support disabled", "redis.topology"],
    ["DENIED Redis is running in protected mode because protected mode is enabled", "redis.protected"],
    ["ERR DB index is out of range", "redis.db"],
    ["ERR max daily request limit exceeded", "redis.refused"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "redis.refused"],
  ] as const) {
    test(`the answer "${text}" is ${code}`, () => {
      const error = redisError(reply(text), OPTIONS);
      assert.equal(error.code, code);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /can't be reached|that Redis is running|\{prefix\}/);
    });
  }

  test("only a Redis that doesn't answer can't be reached, whatever its name is", () => {
    for (const text of ["connect ECONNREFUSED 127.0.0.1:1", "Command timed out", "getaddrinfo ENOTFOUND READONLY"]) {
      assert.equal(redisError(new Error(text), OPTIONS).code, "redis.unreachable");
    }
    const refused = [new Error("connect ECONNREFUSED ::1:1"), new Error("connect ECONNREFUSED 127.0.0.1:1")];
    assert.match(redisError(new AggregateError(refused), OPTIONS).message, /ECONNREFUSED ::1:1/);
  });
});
