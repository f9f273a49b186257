/** A worker is killed in each stage of a run, and another one ends what it began. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { filesBelow } from "../support/temporary_folder.ts";
import { clickhouseSkip } from "../support/clickhouse.ts";
import { type Fault, type ProxiedRequest, first } from "../support/fault_proxy.ts";
import { openSite } from "./fleet_processes.ts";
import { until } from "../support/fleet_fixture.ts";

const HOURS = 4;
const never = new Promise<never>(() => undefined);
/** Only the query that extracts rows carries the time of the export. */
const extracting = ({ path }: ProxiedRequest): boolean => path.includes("param_exported_at");

suite("kill -9 of a worker", { skip: clickhouseSkip }, () => {
  const asked: readonly (readonly [string, Fault])[] = [
    ["while it waits for the source", { kind: "hold-answer", until: never }],
    ["while it stages a file", { kind: "stall-body", afterBytes: 500 }],
  ];
  for (const [when, fault] of asked) {
    test(`a worker killed ${when} leaves nothing lost or doubled`, async (t) => {
      await using site = await openSite(t, { hours: HOURS });
      if (!site) return;
      site.proxy.decide(first(1, extracting, fault));
      site.run(["scheduler"]);
      const worker = site.run(["worker", "--concurrency", "1"]);
      await until(
        "the extraction",
        () => site.proxy.requests.filter(extracting).length,
        (count) => count > 0,
        60,
      );
      if (fault.kind === "stall-body") {
        await until(
          "a staged file",
          () => filesBelow(`${site.folder}/stage`),
          (files) => files.length > 0,
        );
      }
      worker.kill("SIGKILL");
      await worker.ended();
      site.run(["worker"]);
      await site.complete();
      await site.close();
    });
  }

  for (const place of ["before", "after"] as const) {
    test(`a worker killed ${place} its manifest is there leaves nothing lost or doubled`, async (t) => {
      await using site = await openSite(t, { hours: HOURS });
      if (!site) return;
      site.run(["scheduler"]);
      const worker = site.run(["worker", "--concurrency", "1"], place);
      await until(
        "one that stands still",
        () => site.standing(),
        (pids) => pids.includes(worker.pid),
        60,
      );
      assert.equal((await site.manifests()).length, place === "before" ? 0 : 1);
      worker.kill("SIGKILL");
      await worker.ended();
      const other = site.run(["worker"]);
      await site.complete();
      await until(
        "all ends told",
        () => other.lines.filter(({ msg }) => msg.startsWith("loaded")).length,
        (count) => count >= HOURS,
      );
      await site.close();
      assert.equal(
        other.lines.some(({ msg }) => msg === "loaded already"),
        place === "after",
        "what was committed is not loaded again",
      );
      // The dead one's second name for its manifest: hidden, and no manifest to anybody.
      const hidden = (await filesBelow(`${site.folder}/lake`)).filter((file) => file.endsWith(".tmp"));
      assert.equal(hidden.length, place === "before" ? 0 : 1);
    });
  }
});
