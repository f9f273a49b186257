/** Where people are told of what needs them. */
import * as z from "zod";
import { duration, parsed, SECRET } from "./values/fields.ts";

export interface AlertsConfig {
  /** A secret: whoever knows it can post. */
  readonly webhook: string;
  readonly format: "json" | "slack";
  /** Undefined: lag is no reason for an alert. */
  readonly lagAboveMs: number | undefined;
  /** What goes on for so long is told again. */
  readonly repeatAfterMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const webhookUrl = parsed<string>(
  (given) => {
    const url = URL.canParse(given.trim()) ? new URL(given.trim()) : undefined;
    const fix = "Write an address such as https://hooks.acme.internal/replayport.";
    if (!url || !/^https?:$/.test(url.protocol)) return { problem: "not a web address", fix };
    if (url.username !== "" || url.password !== "") {
      return { problem: "an address with a name or password in it", fix: "Put a secret into its path or its query." };
    }
    return { value: url.href };
  },
  { ...SECRET, pattern: "^https?://" },
);

export const alertsSchema = z
  .strictObject({
    webhook: webhookUrl
      .describe("An address that alerts are posted to. It is treated as a secret.")
      .meta({ examples: ["${ALERT_WEBHOOK}"] }),
    format: z
      .enum(["json", "slack"])
      .default("json")
      .describe("json, or what Slack's incoming webhooks take.")
      .meta({ examples: ["slack"] }),
    lag_above: duration(MINUTE_MS, 366 * DAY_MS)
      .optional()
      .describe("An export whose data is older than this is told of. It should be longer than its schedule and settle.")
      .meta({ examples: ["3h"] }),
    repeat_after: duration(MINUTE_MS, 366 * DAY_MS)
      .prefault("12h")
      .describe("What has not been resolved by then is told again.")
      .meta({ examples: ["12h"] }),
  })
  .describe("A webhook for runs that failed for good, exports that were paused, and lag.");

export type AlertsInput = z.output<typeof alertsSchema>;

export function resolveAlerts(input: AlertsInput): AlertsConfig {
  const { webhook, format, lag_above, repeat_after } = input;
  return { webhook, format, lagAboveMs: lag_above, repeatAfterMs: repeat_after };
}
