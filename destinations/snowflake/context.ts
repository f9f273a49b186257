import type { Interval } from "../../src/intervals/interval.ts";
import { intervalName } from "../../src/intervals/interval.ts";
import type { OnDelete } from "../../src/models/deletion.ts";
import { targetFolder, type Names } from "./names.ts";
import type { DestinationDeps } from "../destination.ts";
import type { OpenStage } from "./stage.ts";
import type { OpenSession } from "./statement.ts";

export interface SnowflakeContext extends DestinationDeps {
  readonly export: string;
  readonly names: Names;
  /** As SQL names it; undefined for the user's default. */
  readonly role: string | undefined;
  readonly warehouse: string | undefined;
  readonly onDelete: OnDelete;
  readonly openSession: OpenSession;
  readonly openStage: OpenStage;
}

/** A batch's folder in a stage, with one folder per attempt. Ends with a slash. */
export function batchFolder({ names, export: exportName }: SnowflakeContext, interval: Interval): string {
  return `${targetFolder(names)}/${exportName}/${intervalName(interval)}/`;
}
