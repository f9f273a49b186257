/**
 * The corrections of an export, kept at its destination. A fuller read of a session wins against one that shows less, since
 * sources lose rows. After one that had too many, such as rows that Kafka delivered twice, an operator says that it's right
 * now: `backfill --source-is-right`. docs/adr/0018-a-correction-raises-the-version.md
 */
import * as z from "zod";
import type { Destination } from "../../destinations/destination.ts";
import { giveUp, ReplayportError } from "../errors.ts";
import type { Interval } from "../intervals/interval.ts";
import { SECONDS_OF_DAY } from "../models/audit.ts";
import { type Correction, MOST_CORRECTIONS } from "../models/correction.ts";
import type { ExportDefinition } from "./definition.ts";

const DAY_MS = SECONDS_OF_DAY * 1000;

const midnight = z.iso
  .datetime()
  .transform((text) => new Date(text))
  .refine((time) => time.getTime() % DAY_MS === 0);
const recordSchema = z.looseObject({ layout: z.literal(1), from: midnight, until: midnight });

/** The whole days (UTC) that a range touches: partial rows of different days never merge, so a day is what can be corrected. */
export function wholeDays({ start, end }: Interval): Interval {
  return {
    start: new Date(Math.floor(start.getTime() / DAY_MS) * DAY_MS),
    end: new Date(Math.ceil(end.getTime() / DAY_MS) * DAY_MS),
  };
}

/** @throws ReplayportError `correction.unreadable`: without one of them, the rows that it concerns would lose for ever. */
export async function readCorrections(destination: Destination, signal: AbortSignal): Promise<Correction[]> {
  return (await destination.records.all("corrections", signal)).map((text) => {
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw new ReplayportError(`${destination.name} has a correction that can't be read: ${text.slice(0, 200)}`, {
        ...giveUp(
          "correction.unreadable",
          "A newer version of Replayport wrote it, or something else did. Use that version.",
        ),
        cause,
      });
    }
  });
}

/**
 * From its return on, each read of a session with partial rows of these days wins against the reads before.
 * @param days whole days, UTC
 * @param by who says so, for people who look at the destination
 */
export async function addCorrection(
  { name, model }: Pick<ExportDefinition, "name" | "model">,
  destination: Destination,
  days: Interval,
  by: string,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  if (model.kind === "sql") {
    throw new ReplayportError(
      `export ${name}: only its own SELECT, ${model.file}, decides which of two rows is current`,
      giveUp(
        "correction.own_select",
        "If the SELECT has no _version, the later read is current: leave --source-is-right out. If it has one, let it return a higher one.",
      ),
    );
  }
  if ((await readCorrections(destination, signal)).length >= MOST_CORRECTIONS) {
    throw new ReplayportError(
      `export ${name} has had ${MOST_CORRECTIONS} corrections, and can't have more`,
      giveUp("correction.too_many", "Load the export into a new place: another prefix or another table."),
    );
  }
  const text = JSON.stringify({ layout: 1, export: name, from: days.start, until: days.end, by, at: now });
  await destination.records.add("corrections", text, now, signal);
  // Without it the backfill would load rows that lose.
  if (!(await destination.records.all("corrections", signal)).includes(text)) {
    throw new ReplayportError(
      `${destination.name} doesn't show the correction that was just written`,
      giveUp(
        "correction.not_kept",
        "Look for something that removes or hides what Replayport writes there, and try again.",
      ),
    );
  }
}
