/** `check` with one step refused at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCatalog } from "../../../destinations/catalog/catalog.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { faultAt } from "../../support/crash.ts";
import { openFixture, SIGNAL, withPlace } from "./fixture.ts";
import { icebergTarget } from "./harness.ts";

const MOST_STEPS = 60;

await withPlace("an Iceberg check", (place) => {
  test("whatever step fails, the error says which, and nothing is left", async () => {
    await using fixture = await openFixture(place);
    const { catalog, namespace } = fixture.options;
    const said = new Set<string>();
    for (let step = 1; step < MOST_STEPS; step += 1) {
      const fault = faultAt(step, "refused");
      await using destination = fixture.open({}, fault.step);
      const error = await destination.check(SIGNAL).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const seen = openCatalog(catalog);
      // The last steps only clean up, and what they can't remove doesn't fail a check that has passed.
      if (error !== undefined) {
        assert.ok(error instanceof ReplayportError);
        const doing = /^the Iceberg check failed while (?<doing>.+?): /.exec(error.message)?.groups?.["doing"];
        assert.ok(doing !== undefined, `${fault.at}: ${error.message}`);
        said.add(doing.replace(/ \S*(?:replayport_check|test_)\S*/g, ""));
        assert.equal(await seen.namespaceExists(namespace, SIGNAL), false, `left after ${fault.at}`);
        assert.deepEqual(await icebergTarget(place, fixture.options).leftovers(), [], `left after ${fault.at}`);
      }
      if (fault.at === undefined) {
        assert.deepEqual(
          [...said].map((text) => text.split(" ").slice(0, 3).join(" ")),
          [
            "reading the catalog's",
            "reading namespace",
            "creating namespace",
            "loading the table",
            "creating a probe",
            "loading the probe",
            "committing to the",
            "writing",
            "reading",
            "removing and",
            "dropping the probe",
          ],
        );
        return;
      }
    }
    assert.fail("the check doesn't end");
  });
});
