/** What tells this installation from another one that writes to the same place. */
import type { SourceConfig } from "./source.ts";

/**
 * PostHog's host, and the host and database of its ClickHouse: `eu.posthog.com, clickhouse.acme.internal/posthog`. Without
 * ports, users or teams: a tunnel, a new user or one team more doesn't make another installation.
 */
export function installationOf(source: SourceConfig, posthogUrl: string | undefined): string {
  const posthog = posthogUrl === undefined ? "" : `${new URL(posthogUrl).hostname}, `;
  const host = source.kind === "clickhouse" ? new URL(source.url).hostname : source.path;
  return `${posthog}${host}/${source.database}`;
}
