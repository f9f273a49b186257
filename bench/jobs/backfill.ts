/** The backfill of a year by the command itself, which plans it and joins the turns of the schedule. */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { Redactor } from "../../src/cli/redactor.ts";
import { createProgram } from "../../src/cli/program.ts";
import { type Job, type Outcome, neverAborted } from "./job.ts";

interface Result {
  readonly loaded: readonly { readonly rows: number; readonly bytes: number }[];
}

export async function backfillYear(job: Job & { readonly kind: "backfill" }): Promise<Outcome> {
  const stdout = new PassThrough();
  const told = text(stdout);
  let failed = false;
  const program = await createProgram({
    env: { ...process.env, BENCH_LAKE: job.folder },
    stdout,
    stderr: process.stderr,
    redactor: new Redactor(),
    now: () => new Date(),
    signal: neverAborted,
    setExitCode: () => {
      failed = true;
    },
  });
  const range = ["--from", job.from, "--to", job.until];
  const began = performance.now();
  await program.parseAsync(["node", "replayport", "-q", "-c", job.config, "backfill", job.export, ...range, "--json"]);
  const seconds = (performance.now() - began) / 1000;
  stdout.end();
  if (failed) throw new Error("the backfill failed; its log says why");
  const [result] = JSON.parse(await told) as Result[];
  const loaded = result?.loaded ?? [];
  const sum = (of: "rows" | "bytes"): number => loaded.reduce((total, one) => total + one[of], 0);
  return { seconds, rows: sum("rows"), bytes: sum("bytes"), batches: loaded.length, each: [] };
}
