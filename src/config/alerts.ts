/** Where alerts go. */
import * as z from "zod";
import { duration, field, HTTP_URL_PATTERN, optional, parsed, SECRET } from "./values/fields.ts";
import { DAY_MS, MINUTE_MS } from "./values/units.ts";

const webhookUrl = parsed<string>(
  (given) => {
    const url = URL.canParse(given.trim()) ? new URL(given.trim()) : undefined;
    const fix = "Write an address such as https://hooks.acme.internal/replayport.";
    if (!url || !/^https?:$/.test(url.protocol)) return { problem: "not a web address", fix };
    if (url.username !== "" || url.password !== "") {
      return { problem: "an address with a name or password in it", fix: "Put the secret in its path or query." };
    }
    return { value: url.href };
  },
  { ...SECRET, pattern: HTTP_URL_PATTERN },
);

export const alertsSchema = z
  .strictObject({
    webhook: field(webhookUrl, "An address that alerts are posted to. It is treated as a secret.", "${ALERT_WEBHOOK}"),
    format: field(z.enum(["json", "slack"]).default("json"), "json, or slack for Slack's incoming webhooks.", "slack"),
    lag_above: optional(
      duration(MINUTE_MS, 366 * DAY_MS),
      "Alert when an export's data is older than this. Make it longer than its schedule and settle together.",
      "3h",
    ),
    repeat_after: field(
      duration(MINUTE_MS, 366 * DAY_MS).prefault("12h"),
      "Send an alert again if it is still active after this.",
      "12h",
    ),
  })
  .describe("A webhook for failed runs, paused exports and lag.");

export function resolveAlerts({ webhook, format, lag_above, repeat_after }: z.output<typeof alertsSchema>) {
  return { webhook, format, lagAboveMs: lag_above, repeatAfterMs: repeat_after };
}
