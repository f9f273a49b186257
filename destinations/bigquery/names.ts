/**
 * Names of what a load makes in BigQuery. Pure.
 *
 * A staging table is of one attempt, so no attempt ever loads into another one's. Job ids tell one job from another for
 * ever, since BigQuery takes an id only once (it answers 409 the second time), and that is used twice:
 *
 * - A load job is named by its batch, its attempt and the file's bytes. A request that is sent again, because its answer
 *   was lost, meets its own job and cannot append the rows twice.
 * - A commit job is named by the table and by the commit that it follows, and not by its batch or attempt: of all loads that
 *   saw the same last commit only one can have the id, like a conditional write. The others wait for the job that has it.
 *
 * An id whose job ended in an error is spent. The generation at its end moves on then, and only then.
 */
import { createHash } from "node:crypto";
import { intervalName, type Interval } from "../../src/intervals/interval.ts";
import type { Batch, StagedFile } from "../destination.ts";

export interface TablePlace {
  readonly project: string;
  readonly dataset: string;
  readonly table: string;
}

const STAGING = "_replayport_staging_";

/** Of a batch in one target table: the same export name may be used for other tables of the dataset. */
export function batchHash(place: TablePlace, batchId: string): string {
  return digest([place.project, place.dataset, place.table, batchId]);
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}

/** What the staging tables of all attempts of a batch begin with. */
export function stagingPrefix(place: TablePlace, batchId: string): string {
  return `${STAGING}${batchHash(place, batchId)}_`;
}

export function stagingTable(place: TablePlace, batch: Pick<Batch, "id" | "attempt">): string {
  return stagingPrefix(place, batch.id) + batch.attempt;
}

export function loadJobId(place: TablePlace, batch: Batch, file: StagedFile, generation: number): string {
  const hash = batchHash(place, batch.id);
  return `replayport_load_${hash}_${batch.attempt}_${file.index}_${file.sha256.slice(0, 16)}_g${generation}`;
}

/** @param head the attempt that committed last to the table; empty before the first */
export function commitJobId({ project, dataset, table }: TablePlace, head: string, generation: number): string {
  const hash = digest([project, dataset, table]);
  const after = head === "" ? "nothing" : head.replaceAll(/[^0-9A-Za-z_-]/g, "_").slice(0, 100);
  return `replayport_commit_${hash}_after_${after}_g${generation}`;
}

/** Tells whose a job is. */
export const ATTEMPT_LABEL = "replayport_attempt";

/** Labels of a job: `[a-z0-9_-]`, at most 63 characters. They show in the billing export and in INFORMATION_SCHEMA.JOBS. */
export function jobLabels(
  own: Readonly<Record<string, string>>,
  exportName: string,
  more: { readonly interval?: Interval; readonly attempt?: string } = {},
): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, label(value)])),
    replayport_export: label(exportName),
    ...(more.interval ? { replayport_interval: label(intervalName(more.interval)) } : {}),
    ...(more.attempt === undefined ? {} : { [ATTEMPT_LABEL]: label(more.attempt) }),
  };
}

function label(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "_")
    .slice(0, 63);
}
