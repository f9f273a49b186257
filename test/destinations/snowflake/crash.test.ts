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
import { openFixture, server, SIGNAL, skip, type Fixture } from "./fixture.ts";

const rowsOf = (version: number): TestRow[] => [row("a", version), row("b", version), row("c", version)];

async function covered(fixture: Fixture): Promise<string[]> {
  const found = await Array.fromAsync(fixture.open().covered(EVERYTHING, SIGNAL));
  return found.map(({ interval }) => intervalName(interval));
}

suite("Snowflake: a worker that is killed in its first load", { skip, timeout: 900_000 }, () => {
  test("Snowflake: a first load that is killed after any statement leaves no rows, and the next one loads", async () => {
    await using batches = await Batches.open();
    const made: string[] = [];
    for (let step = 1; made.at(-1)?.startsWith("PUT") !== true; step += 1) {
      await using fixture = await openFixture();
      const { files } = await server.objects(fixture.schema);
      const crash = crashAfter(step);
      const sessions = crashingSessions(sessionOpener(fixture.options), crash);
      const doomed = openSnowflakeOn(sessions, fixture.options, { export: EXPORT }, TEST_DEPS);
      await doomed.load(await batches.batch(hours(0), [rowsOf(1)]), SIGNAL).catch(() => undefined);
      made.push(crash.at ?? "");
      assert.deepEqual([await seenRows(server, fixture.schema), await covered(fixture)], [[], []], made.at(-1));
      await fixture.open().load(await batches.batch(hours(0), [rowsOf(2)]), SIGNAL);
      assert.deepEqual(await seenRows(server, fixture.schema), rowsOf(2), made.at(-1));
      assert.deepEqual(await leftovers(server, fixture.schema, files), [], made.at(-1));
      await server.endSessions();
    }
    assert.equal(made.filter((sql) => sql.startsWith("CREATE TABLE")).length, 3, made.join("\n"));
  });
});
