/**
 * A worker that is killed between any two statements of a load: readers see the old state or the new one, and the next load
 * repairs what is left. Every statement is tried, before and after Snowflake has carried it out.
 *
 * Its session stays open with whatever transaction it had, as that of a killed worker does. The layer rolls it back when
 * another transaction waits for it; in Snowflake that takes 5 minutes.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sessionOpener } from "../../destinations/snowflake/client.ts";
import { openSnowflakeOn } from "../../destinations/snowflake/index.ts";
import type { OpenSession, Session } from "../../destinations/snowflake/statement.ts";
import { intervalName } from "../../src/intervals/interval.ts";
import { Batches, EXPORT, hours } from "../conformance/batches.ts";
import { leftovers, seenRows, TEST_DEPS } from "../conformance/snowflake_harness.ts";
import { EVERYTHING, row } from "../conformance/world.ts";
import { openWorld, server, SIGNAL, skip, type World } from "./snowflake_world.ts";

const OLD = [row("a", 1), row("b", 1), row("c", 1)];
const NEW = [row("a", 2), row("b", 2), row("c", 2)];

/** Sessions that die at a step, and do nothing any more from there: neither clean-ups nor closing. */
function dying(
  open: OpenSession,
  at: number,
  when: "before" | "after",
): { open: OpenSession; died: () => string | undefined } {
  let died: string | undefined;
  let steps = 0;
  const die = (what: string): Error => {
    died ??= what;
    return new Error("the process was killed");
  };
  return {
    died: () => died,
    open: async (purpose, signal) => {
      if (died !== undefined) throw die("");
      const session = await open(purpose, signal);
      const hooked: Session = {
        async execute(statement, inner) {
          if (died !== undefined) throw die("");
          steps += 1;
          const here = steps === at;
          if (here && when === "before") throw die(statement.sql);
          const rows = await session.execute(statement, inner);
          if (here) throw die(statement.sql);
          return rows;
        },
        [Symbol.asyncDispose]: () => (died === undefined ? session[Symbol.asyncDispose]() : Promise.resolve()),
      };
      return hooked;
    },
  };
}

async function loadAndDie(
  world: World,
  batches: Batches,
  step: number,
  when: "before" | "after",
): Promise<string | undefined> {
  const { open, died } = dying(sessionOpener(world.options), step, when);
  const destination = openSnowflakeOn(
    open,
    world.options,
    { export: EXPORT },
    { ...TEST_DEPS, onWarning: () => undefined },
  );
  const batch = await batches.batch(hours(0, 3), [[row("a", 2), row("b", 2), row("c", 2)]]);
  await destination.load(batch, SIGNAL).catch(() => undefined);
  return died();
}

suite("Snowflake: a worker that is killed", { skip, timeout: 600_000 }, () => {
  for (const when of ["before", "after"] as const) {
    test(`${when} any statement of a load`, async (t) => {
      await using batches = await Batches.open();
      const seen = { old: 0, new: 0 };
      for (let step = 1; ; step += 1) {
        await using world = await openWorld();
        const { files } = await server.objects(world.schema);
        const destination = world.open();
        await destination.load(await batches.batch(hours(0), [[row("a", 1)]]), SIGNAL);
        await destination.load(await batches.batch(hours(1, 2), [[row("b", 1), row("c", 1)]]), SIGNAL);
        const statement = await loadAndDie(world, batches, step, when);
        if (statement === undefined) break;

        const rows = await seenRows(server, world.schema);
        const isNew = rows[0]?.version === 2;
        const where = `killed ${when} step ${step}: ${statement}`;
        t.diagnostic(`${isNew ? "new" : "old"} ${where.split("\n")[0]}`);
        assert.deepEqual(rows, isNew ? NEW : OLD, where);
        seen[isNew ? "new" : "old"] += 1;
        const covered = await Array.fromAsync(world.open().covered(EVERYTHING, SIGNAL));
        assert.deepEqual(
          covered.map(({ interval }) => intervalName(interval)),
          isNew ? [intervalName(hours(0, 3))] : [intervalName(hours(0)), intervalName(hours(1, 2))],
          where,
        );

        const next = [row("a", 3), row("b", 3), row("c", 3)];
        const receipt = await world.open().load(await batches.batch(hours(0, 3), [next]), SIGNAL);
        assert.deepEqual(await seenRows(server, world.schema), next, where);
        assert.deepEqual(await Array.fromAsync(world.open().receipts(EVERYTHING, SIGNAL)), [receipt], where);
        assert.deepEqual(await leftovers(server, world.schema, files), [], `left after ${where}`);
        await server.endSessions();
      }
      assert.ok(seen.old > 10 && seen.new > 2, `both sides of the commit were tried: ${JSON.stringify(seen)}`);
    });
  }
});
