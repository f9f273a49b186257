import { basename } from "node:path";
import type { DemoFolder } from "./folder.ts";
import { REPLAY_TABLE } from "./replay_table.ts";

export const DEMO_DATABASE = "posthog";
export const DEMO_EXPORT = "replays";
export const DEMO_POSTHOG = "https://eu.posthog.com";

/** The demo's config. It stays in the folder, so that you can try every other command on the demo's lake. */
export function demoConfig(folder: DemoFolder, start: Date, end: Date): string {
  return `# Written by \`replayport demo\`. Try: replayport --config ${basename(folder.path)}/schedules.yaml status
posthog_url: ${DEMO_POSTHOG}

source:
  embedded:
    path: ./${basename(folder.engine)}
    database: ${DEMO_DATABASE}
    table: ${REPLAY_TABLE}

destinations:
  lake: { type: file, path: ./${basename(folder.lake)} }

exports:
  ${DEMO_EXPORT}:
    model: session_replays
    team_id: 1
    destination: lake
    schedule: "@hourly"
    start: ${start.toISOString().slice(0, 19)}Z
    # The made-up data ends here, so nothing after it is due.
    end: ${end.toISOString().slice(0, 19)}Z
    settle: 5m
    sweep: { schedule: "@daily", after: 1d }
`;
}
