/** The config to start from: what `replayport init` writes, and what ships as schedules.yaml. */

/**
 * @param now the export starts on the first day of its month, in UTC
 * @param schema where an editor finds the JSON Schema, relative to the file
 */
export function initTemplate(now: Date, schema = "./node_modules/replayport/schema/schedules.json"): string {
  return TEMPLATE.replace("SCHEMA", () => schema).replace("START", `${now.toISOString().slice(0, 7)}-01`);
}

const TEMPLATE = `# yaml-language-server: $schema=SCHEMA
#
# What Replayport exports, from where, to where and when. "replayport check" lists everything that is wrong with it.
# \${NAME} comes from the environment, \${NAME:-default} if it may be missing; write $\${ for a literal one.

# Your PostHog's address, for links to the replays (the column replay_url).
posthog_url: https://eu.posthog.com

source:
  # The ClickHouse that PostHog writes to. A read-only user is enough.
  clickhouse:
    url: "\${CLICKHOUSE_URL}"
    username: "\${CLICKHOUSE_USERNAME:-default}"
    password: "\${CLICKHOUSE_PASSWORD}"
    database: posthog
  # Or the embedded engine, without a server:
  # embedded: ./data/clickhouse

destinations:
  # An S3 bucket. Keys come from AWS's default chain: environment, profile, web identity or instance role.
  lake:
    type: s3
    bucket: "\${LAKE_BUCKET}"
    prefix: posthog
    region: eu-central-1
  # Or a folder:
  # local: { type: file, path: ./lake }
  # Or a warehouse table (docs/snowflake.md, docs/bigquery.md):
  # warehouse: { type: bigquery, project: acme-data, dataset: posthog, table: session_replays }

exports:
  replays:
    model: session_replays
    team_id: 1 # or a list, or all
    destination: lake
    schedule: "@hourly" # or @daily, @weekly, @monthly, every 15 minutes, or a cron line
    timezone: UTC
    start: START
    # format: parquet # or jsonl, csv
    # compression: zstd
    # path: "{export}/dt={year}-{month}-{day}"

    # Only some rows:
    # where:
    #   snapshot_source: web
    #   duration_seconds: { min: 5 }

    # Columns to leave out or change. Hashing needs hash_salt, below.
    # columns:
    #   exclude: [ai_tags_freeform]
    #   hash: [distinct_id]
    #   strip_query: [first_url, all_urls]

# At least 16 characters. Never change it: a different salt gives different hashes.
# hash_salt: "\${REPLAYPORT_HASH_SALT}"
`;
