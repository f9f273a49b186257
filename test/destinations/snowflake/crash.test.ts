/** A worker that is killed while it makes the tables. conformance/crash.ts kills it in every later load. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { Batches, EXPORT, hours, type TestRow } from "../../conformance/batches.ts";
import { leftovers, seenRows, TEST_DEPS } from "./harness.ts";
import { EVERYTHING, row } from "../../conformance/context.ts";
import { crashAfter } from "../../support/crash.ts";
import { crashingSessions } from "./crash.ts";
import { openWorld, server, SIGNAL, skip, type World } from "./fixture.ts";

const rowsOf = (version: number): TestRow[] => [row("a", version), row("b", version), row("c", version)];

async function covered(world: World): Promise<string[]> {
  const found = await Array.fromAsync(world.open().covered(EVERYTHING, SIGNAL));
  return found.map(({ interval }) => intervalName(interval));
}

suite("Snowflake: a worker that is killed in its first load", { skip, timeout: 900_000 }, () => {
  test("Snowflake: a first load that is killed after any statement leaves no rows, and the next one loads", async () => {
    await using batches = await Batches.open();
    const made: string[] = [];
    for (let step = 1; made.at(-1)?.startsWith("PUT") !== true; step += 1) {
      await using world = await openWorld();
      const { files } = await server.objects(world.schema);
      const crash = crashAfter(step);
      const sessions = crashingSessions(sessionOpener(world.options), crash);
      const doomed = openSnowflakeOn(sessions, world.options, { export: EXPORT }, TEST_DEPS);
      await doomed.load(await batches.batch(hours(0), [rowsOf(1)]), SIGNAL).catch(() => undefined);
      made.push(crash.at ?? "");
      assert.deepEqual([await seenRows(server, world.schema), await covered(world)], [[], []], made.at(-1));
      await world.open().load(await batches.batch(hours(0), [rowsOf(2)]), SIGNAL);
      assert.deepEqual(await seenRows(server, world.schema), rowsOf(2), made.at(-1));
      assert.deepEqual(await leftovers(server, world.schema, files), [], made.at(-1));
      await server.endSessions();
    }
    assert.equal(made.filter((sql) => sql.startsWith("CREATE TABLE")).length, 3, made.join("\n"));
  });
});
