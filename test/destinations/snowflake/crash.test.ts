/**
 * A worker that is killed between any two statements of a load: readers see the old state or the new one, and the next load
 * repairs what is left. Every statement is tried, before and after Snowflake has carried it out.
 *
 * Its session stays open with whatever transaction it had, as that of a killed worker does. The layer rolls it back when
 * another transaction waits for it; in Snowflake that takes 5 minutes.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../../destinations/snowflake/index.ts";
import { intervalName } from "../../../src/intervals/interval.ts";
import { Batches, EXPORT, hours, type TestRow } from "../../conformance/batches.ts";
import { leftovers, seenRows, TEST_DEPS } from "./harness.ts";
import { EVERYTHING, row } from "../../conformance/context.ts";
import { dying } from "./crash.ts";
import { openWorld, server, SIGNAL, skip, type World } from "./fixture.ts";

const rowsOf = (version: number): TestRow[] => [row("a", version), row("b", version), row("c", version)];

async function covered(world: World): Promise<string[]> {
  const found = await Array.fromAsync(world.open().covered(EVERYTHING, SIGNAL));
  return found.map(({ interval }) => intervalName(interval));
}

suite("Snowflake: a worker that is killed", { skip, timeout: 900_000 }, () => {
  for (const when of ["before", "after"] as const) {
    test(`${when} any statement of a load`, async (t) => {
      await using batches = await Batches.open();
      await using world = await openWorld();
      const { files } = await server.objects(world.schema);
      const seen = { old: 0, new: 0 };
      let version = 1;
      // Each round begins on what the last one left, with a batch that covers the last one's.
      let interval = hours(0);
      await world.open().load(await batches.batch(interval, [rowsOf(version)]), SIGNAL);
      for (let step = 1; ; step += 1) {
        const before = { rows: rowsOf(version), covered: [intervalName(interval)] };
        interval = hours(0, 1 + step);
        version += 1;
        const after = { rows: rowsOf(version), covered: [intervalName(interval)] };
        const { open, died } = dying(sessionOpener(world.options), step, when);
        const deps = { ...TEST_DEPS, onWarning: () => undefined };
        const mortal = openSnowflakeOn(open, world.options, { export: EXPORT }, deps);
        await mortal.load(await batches.batch(interval, [rowsOf(version)]), SIGNAL).catch(() => undefined);
        const statement = died();
        if (statement === undefined) break;

        const where = `killed ${when} step ${step}: ${statement}`;
        const state = { rows: await seenRows(server, world.schema), covered: await covered(world) };
        const isNew = state.rows[0]?.version === version;
        t.diagnostic(`${isNew ? "new" : "old"} ${where.split("\n")[0]}`);
        assert.deepEqual(state, isNew ? after : before, where);
        seen[isNew ? "new" : "old"] += 1;

        version += 1;
        const receipt = await world.open().load(await batches.batch(interval, [rowsOf(version)]), SIGNAL);
        assert.deepEqual(await seenRows(server, world.schema), rowsOf(version), where);
        assert.deepEqual(await Array.fromAsync(world.open().receipts(EVERYTHING, SIGNAL)), [receipt], where);
        assert.deepEqual(await leftovers(server, world.schema, files), [], `left after ${where}`);
        await server.endSessions();
      }
      assert.ok(seen.old > 10 && seen.new > 2, `both sides of the commit were tried: ${JSON.stringify(seen)}`);
    });
  }

  test("after any statement of the first load of all, which makes the tables", async () => {
    await using batches = await Batches.open();
    const made: string[] = [];
    for (let step = 1; made.at(-1)?.startsWith("PUT") !== true; step += 1) {
      await using world = await openWorld();
      const { files } = await server.objects(world.schema);
      const { open, died } = dying(sessionOpener(world.options), step, "after");
      const mortal = openSnowflakeOn(open, world.options, { export: EXPORT }, TEST_DEPS);
      await mortal.load(await batches.batch(hours(0), [rowsOf(1)]), SIGNAL).catch(() => undefined);
      made.push(died() ?? "");
      assert.deepEqual([await seenRows(server, world.schema), await covered(world)], [[], []], made.at(-1));
      await world.open().load(await batches.batch(hours(0), [rowsOf(2)]), SIGNAL);
      assert.deepEqual(await seenRows(server, world.schema), rowsOf(2), made.at(-1));
      assert.deepEqual(await leftovers(server, world.schema, files), [], made.at(-1));
      await server.endSessions();
    }
    assert.equal(made.filter((sql) => sql.startsWith("CREATE TABLE")).length, 3, made.join("\n"));
  });
});
