/** The webhook's message. It contains all alerts of one check, so a total outage is one message. */
import { minute } from "../text.ts";
import type { Alert } from "./alert.ts";

export type MessageFormat = "json" | "slack";

/** Slack collapses longer messages. */
const SLACK_LINES = 20;
/** Limits the message to a few hundred kilobytes in an outage of thousands of exports. */
const JSON_ALERTS = 500;

export function messageOfAlerts(alerts: readonly Alert[], format: MessageFormat, now: Date): unknown {
  switch (format) {
    case "json":
      return {
        source: "replayport",
        sentAt: now.toISOString(),
        total: alerts.length,
        alerts: alerts.slice(0, JSON_ALERTS).map(({ id, kind, status, since, repeated, ...alert }) => ({
          id,
          kind,
          status,
          export: alert.export,
          backfill: alert.backfill ?? null,
          message: alert.message,
          hint: alert.hint ?? null,
          code: alert.code ?? null,
          since: since.toISOString(),
          repeated,
        })),
      };
    case "slack": {
      const lines = alerts.slice(0, SLACK_LINES).map(slackLine);
      const more = alerts.length - lines.length;
      return { text: [...lines, ...(more > 0 ? [`… and ${more} more`] : [])].join("\n") };
    }
  }
}

function slackLine({ status, message, hint, since, repeated }: Alert): string {
  if (status === "resolved") return `:white_check_mark: *Resolved:* ${escaped(message)}`;
  const still = repeated ? `*Still, since ${minute(since)} UTC:* ` : "";
  return `:rotating_light: ${still}${escaped(message)}${hint === undefined ? "" : `\n> ${escaped(hint)}`}`;
}

/** Escapes Slack's markup: https://docs.slack.dev/messaging/formatting-message-text */
function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll(/\s*\n\s*/g, " ");
}
