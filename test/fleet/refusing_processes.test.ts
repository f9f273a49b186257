/** What only real processes show of a Redis that refuses: the log's size, /readyz, metrics, and SIGTERM. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { until } from "../support/fleet_fixture.ts";
import { openSite } from "./fleet_processes.ts";

suite("serve with a Redis that refuses", { skip: clickhouseSkip }, () => {
  test("serve works with a user of few rights, says once that Redis has become a replica, isn't ready, and ends on SIGTERM", async (t) => {
    // Longer than the test: a job that runs meanwhile, such as the audit, would say that it lost its lock.
    await using site = await openSite(t, { hours: 4, takeover: "5m" });
    if (!site) return;
    const user = ["fleet", "on", ">open/sesame%", "~{replayport}:*", "+@all", "-@dangerous"];
    await site.redis.client.acl("SETUSER", ...(user as ["fleet"]));
    const file = join(site.folder, "schedules.yaml");
    const keys = 'username: fleet, password: "open/sesame%" }';
    await writeFile(file, (await readFile(file, "utf8")).replace(/^(redis: \{.*) \}$/m, `$1, ${keys}`));
    const serve = site.run(["serve", "--http", "0", "--grace", "1s"]);
    const listening = await serve.says(/^listening at /);
    const at = async (path: string) => await fetch(`${listening.msg.slice("listening at ".length)}${path}`);
    await site.complete();
    await until(
      "ready",
      async () => (await at("/readyz")).status,
      (status) => status === 200,
    );

    await site.redis.client.replicaof("127.0.0.1", 1);
    await until(
      "not ready",
      async () => (await at("/readyz")).status,
      (status) => status === 503,
    );
    assert.match(await (await at("/metrics")).text(), /^replayport_redis_up 0$/m);
    await serve.says(/^Redis refuses what the fleet does, waiting for it: .*is a read-only replica/);
    const said = serve.lines.map(({ msg }) => msg);
    await sleep(3_000);
    assert.deepEqual(
      serve.lines.map(({ msg }) => msg),
      said,
      "nothing is said again",
    );
    await site.redis.client.replicaof("NO", "ONE");
    await serve.says(/^Redis is back$/);
    await until(
      "ready again",
      async () => (await at("/readyz")).status,
      (status) => status === 200,
    );

    await site.redis.client.acl("SETUSER", "fleet", "-@all");
    await until(
      "not ready",
      async () => (await at("/readyz")).status,
      (status) => status === 503,
    );
    const { level } = await serve.says(/^Redis refuses what the fleet does, waiting until that is fixed$/);
    assert.equal(level, 50);
    const began = performance.now();
    serve.kill("SIGTERM");
    assert.equal((await serve.ended()).code, 0);
    assert.ok(performance.now() - began < 10_000);
    assert.deepEqual(serve.noise, []);
    assert.ok(serve.lines.length < 40, serve.lines.map((line) => line.msg).join("\n"));
  });
});
