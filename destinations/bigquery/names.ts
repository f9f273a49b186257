/**
 * Names of what a load creates in BigQuery. Pure.
 *
 * A staging table belongs to one attempt, so no attempt loads into another's. BigQuery accepts a job id only once, ever (it
 * answers 409 the second time). Two things rest on that:
 *
 * - A load job is named after its batch, its attempt and the file's bytes. A request that is sent again, because its answer
 *   was lost, finds its own job and can't append the rows twice.
 * - A commit job is named after the table and the commit that it follows, not after its batch or attempt: of all loads that
 *   saw the same last commit, only one gets the id, as with a conditional write. The others wait for that job.
 *
 * A job that ended in an error has used up its id. Then, and only then, the generation at the end of the id grows.
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

/** Includes the target: other tables of the dataset may have exports of the same name. */
export function batchHash(place: TablePlace, batchId: string): string {
  return digest([place.project, place.dataset, place.table, batchId]);
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}

/** The prefix of a batch's staging tables, of all attempts. */
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

/**
 * @param created when BigQuery created the table: a table that is dropped and created again gets new ids
 * @param head the attempt that committed last to the table; empty before the first
 */
export function commitJobId(
  { project, dataset, table }: TablePlace,
  created: string,
  head: string,
  generation: number,
): string {
  const hash = digest([project, dataset, table, created]);
  const after = head === "" ? "nothing" : head.replaceAll(/[^0-9A-Za-z_-]/g, "_").slice(0, 100);
  return `replayport_commit_${hash}_after_${after}_g${generation}`;
}

/** The label that says whose job it is. */
export const ATTEMPT_LABEL = "replayport_attempt";

/** A job's labels, which the billing export and INFORMATION_SCHEMA.JOBS show: `[a-z0-9_-]`, at most 63 characters. */
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
