import { basename } from "node:path";
import type { DemoFolder } from "./folder.ts";
import { DEMO_KEY, type IcebergServer } from "./iceberg_server.ts";
import { REPLAY_TABLE } from "./replay_table.ts";

export const DEMO_DATABASE = "posthog";
export const DEMO_EXPORT = "replays";
export const DEMO_POSTHOG = "https://eu.posthog.com";

/** The demo's config. It stays in the folder, so that you can try every other command on the demo's lake. */
export function demoConfig(
  folder: DemoFolder,
  start: Date,
  end: Date,
  server?: Pick<IcebergServer, "catalog" | "endpoint" | "bucket">,
): string {
  return `# Written by \`replayport demo\`. Try: replayport --config ${basename(folder.path)}/schedules.yaml status
posthog_url: ${DEMO_POSTHOG}

source:
  embedded:
    path: ./${basename(folder.engine)}
    database: ${DEMO_DATABASE}
    table: ${REPLAY_TABLE}

destinations:
${server ? icebergDestination(server) : `  lake: { type: file, path: ./${basename(folder.lake)} }`}

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

function icebergDestination({
  catalog,
  endpoint,
  bucket,
}: Pick<IcebergServer, "catalog" | "endpoint" | "bucket">): string {
  return `  lake:
    type: iceberg
    catalog:
      uri: ${catalog}
      warehouse: ${bucket}
      oauth2: { client_id: ${DEMO_KEY}, client_secret: ${DEMO_KEY}, token_url: ${catalog}/v1/oauth/tokens }
    namespace: [demo]
    storage:
      endpoint: ${endpoint}
      region: us-east-1
      force_path_style: true
      access_key_id: ${DEMO_KEY}
      secret_access_key: ${DEMO_KEY}`;
}
