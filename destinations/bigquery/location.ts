import { giveUp, ReplayportError } from "../../src/errors.ts";
import type { BigQueryContext } from "./context.ts";

/** Jobs run where the dataset is. A `location` in the config that says otherwise is a mistake that is shown at once. */
export async function checkLocation({ client, options, place }: BigQueryContext, signal: AbortSignal): Promise<void> {
  const found = await client.location(signal);
  if (options.location === undefined || options.location.toLowerCase() === found.toLowerCase()) return;
  throw new ReplayportError(
    `the dataset ${place.project}.${place.dataset} is in ${found}, the config says ${options.location}`,
    giveUp("bigquery.wrong_location", `Set \`location: ${found}\`, or leave it out. A dataset can't be moved.`),
  );
}
