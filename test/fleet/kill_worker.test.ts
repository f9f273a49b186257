/** Workers are killed in each stage of a run, one after the other, and the last one finishes what they began. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { filesBelow } from "../support/temporary_folder.ts";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { type Fault, first } from "../support/fault_proxy.ts";
import { PATIENCE, type Running, extracting, openSite, paused } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 4;
const never = new Promise<never>(() => undefined);

suite("kill -9 of a worker", { skip: clickhouseSkip }, () => {
  test("workers killed while they stage, wait for the source, and after and before their manifest is there leave nothing lost or doubled", async (t) => {
    await using site = await openSite(t, { hours: HOURS });
    if (!site) return;
    site.run(["scheduler"]);

    // The stage is empty before the first: its file is seen there.
    const faults: readonly Fault[] = [
      { kind: "stall-body", afterBytes: 500 },
      { kind: "hold-answer", until: never },
    ];
    const workers: Running[] = [];
    for (const fault of faults) {
      const before = site.proxy.requests.filter(extracting).length;
      site.proxy.decide(first(1, extracting, fault));
      const worker = site.run(["worker", "--concurrency", "1"]);
      await until(
        `the extraction for ${fault.kind}`,
        () => site.proxy.requests.filter(extracting).length,
        (count) => count > before,
        PATIENCE,
      );
      if (fault.kind === "stall-body") {
        await until(
          "a staged file",
          () => filesBelow(`${site.folder}/stage`),
          (files) => files.length > 0,
          PATIENCE,
        );
      }
      worker.kill("SIGKILL");
      await worker.ended();
      workers.push(worker);
    }

    // "after" comes first: it could otherwise commit the batch of "before", and die before it removes the files of that.
    // An hour without rows extracts nothing, so one may be loaded by now.
    const known = (await site.manifests()).length;
    const after = site.run(["worker", "--concurrency", "1"], "after");
    await paused(site, after);
    assert.equal((await site.manifests()).length, known + 1);
    after.kill("SIGKILL");
    await after.ended();
    const before = site.run(["worker", "--concurrency", "1"], "before");
    await paused(site, before);
    assert.equal((await site.manifests()).length, known + 1);
    before.kill("SIGKILL");
    await before.ended();

    const last = site.run(["worker"]);
    await site.complete();
    const ends = (): string[] =>
      [...workers, before, last]
        .flatMap(({ lines }) => lines.map(({ msg }) => msg))
        .filter((msg) => msg.startsWith("loaded"));
    await until("the ends of all runs", ends, ({ length }) => length >= HOURS, PATIENCE);
    await site.close();
    assert.equal(
      ends().filter((msg) => msg === "loaded already").length,
      1,
      "what was committed, and only that, is not loaded again",
    );
    // A file before it got its name: hidden, so nobody reads it, and removed by the next load of its interval.
    assert.deepEqual(
      (await filesBelow(`${site.folder}/lake`)).filter((file) => file.endsWith(".tmp")),
      [],
    );
  });
});
