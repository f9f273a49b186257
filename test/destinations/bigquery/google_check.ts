/** A process of its own for google_accounts.ts: checks the destination of its argument, and prints the error if there is one. */
import { type BigQueryOptions, openBigQuery } from "../../../destinations/bigquery/index.ts";
import { ReplayportError } from "../../../src/errors.ts";

const options = JSON.parse(process.argv[2] ?? "") as BigQueryOptions;
await using destination = openBigQuery(
  options,
  { export: "sessions" },
  { now: () => new Date(), version: "0.0.0-test", onWarning: (message) => console.error(message) },
);
try {
  await destination.check(AbortSignal.timeout(60_000));
} catch (error) {
  if (!(error instanceof ReplayportError)) throw error;
  console.log(JSON.stringify({ code: error.code, hint: error.hint, message: error.message }));
}
