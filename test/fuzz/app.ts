/** The HTTP side over a fleet in memory. An error that nobody expected is thrown. */
import { createApp } from "../../src/web/app.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { fakeFleet, NOW } from "../support/fake_fleet.ts";

export const TOKEN = "t0ken-of-the-tests-0123456789";

export function openApp() {
  const fleet = fakeFleet();
  return createApp(
    { token: TOKEN, publicReads: false },
    {
      fleet,
      metrics: createMetrics(fleet),
      now: () => NOW,
      redact: (text) => text,
      onUnexpected: (error) => {
        throw error;
      },
      onWrongTokens: () => undefined,
      wait: () => Promise.resolve(),
      closing: new AbortController().signal,
      ending: new AbortController().signal,
    },
  );
}
