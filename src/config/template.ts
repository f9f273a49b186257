/** The config to start from: what `replayport init` writes, and what ships as schedules.yaml. */
import type { DestinationType } from "../../destinations/options.ts";

/** What the user has said about the source. A password is never part of it: the file names a variable instead. */
export type SourceChoice =
  | { readonly embedded: string }
  | { readonly url: string; readonly username?: string | undefined; readonly database?: string | undefined };

/** What to write in place of the examples. Without any, the file shows the alternatives as comments. */
export interface TemplateChoices {
  /** Where an editor finds the JSON Schema, relative to the file. */
  readonly schema?: string;
  readonly source?: SourceChoice | undefined;
  readonly destination?: DestinationType | undefined;
  /** PostHog's project; `all` of them. */
  readonly team?: number | "all" | undefined;
}

/** @param now the export starts on the first day of its month, in UTC */
export function initTemplate(now: Date, choices: TemplateChoices = {}): string {
  const { schema = "./node_modules/replayport/schema/schedules.json", source, destination, team = 1 } = choices;
  const { name, yaml, isLake } = DESTINATIONS[destination ?? "s3"];
  return `# yaml-language-server: $schema=${schema}
#
# What Replayport exports, from where, to where and when. "replayport check" lists everything that is wrong with it.
# \${NAME} comes from the environment, \${NAME:-default} if it may be missing; write $\${ for a literal one.

# Your PostHog's address, for links to the replays (the column replay_url).
posthog_url: https://eu.posthog.com

source:
${sourceYaml(source)}
destinations:
${yaml}${destination === undefined ? OTHER_DESTINATIONS : ""}
exports:
  replays:
    model: session_replays
    team_id: ${team} # ${team === "all" ? "or a number, or a list" : "or a list, or all"}
    destination: ${name}
    schedule: "@hourly" # or @daily, @weekly, @monthly, every 15 minutes, or a cron line
    timezone: UTC
    start: ${now.toISOString().slice(0, 7)}-01
${isLake ? FILES : ""}
${ROWS_AND_COLUMNS}`;
}

/** A text of the user's as YAML, in which nothing is a placeholder. */
const quoted = (text: string): string => JSON.stringify(text.replaceAll("${", () => "$${"));

function sourceYaml(choice: SourceChoice | undefined): string {
  if (choice && "embedded" in choice)
    return `  # The embedded engine's folder.\n  embedded: ${quoted(choice.embedded)}\n`;
  const { url, username, database } = choice ?? {};
  const other = "  # Or the embedded engine, without a server:\n  # embedded: ./data/clickhouse\n";
  return `  # The ClickHouse that PostHog writes to. A read-only user is enough.
  clickhouse:
    url: ${url === undefined ? '"${CLICKHOUSE_URL}"' : quoted(url)}
    username: ${username === undefined ? '"${CLICKHOUSE_USERNAME:-default}"' : quoted(username)}
    password: "\${CLICKHOUSE_PASSWORD}"
    database: ${database === undefined ? "posthog" : quoted(database)}
${choice === undefined ? other : ""}`;
}

interface DestinationTemplate {
  /** What the export calls it. */
  readonly name: string;
  readonly yaml: string;
  /** Whether the export's format, compression and path matter. */
  readonly isLake: boolean;
}

const DESTINATIONS: Readonly<Record<DestinationType, DestinationTemplate>> = {
  s3: {
    name: "lake",
    isLake: true,
    yaml: `  # An S3 bucket. Keys come from AWS's default chain: environment, profile, web identity or instance role.
  lake:
    type: s3
    bucket: "\${LAKE_BUCKET}"
    prefix: posthog
    region: eu-central-1
`,
  },
  file: {
    name: "lake",
    isLake: true,
    yaml: `  # A folder, relative to this file.
  lake:
    type: file
    path: ./lake
`,
  },
  iceberg: {
    name: "lakehouse",
    isLake: false,
    yaml: `  # An Apache Iceberg table in a REST catalog; for AWS Glue and S3 Tables, see docs/iceberg.md.
  lakehouse:
    type: iceberg
    catalog:
      uri: "\${CATALOG_URL}"
      warehouse: "\${CATALOG_WAREHOUSE}"
      token: "\${CATALOG_TOKEN}" # or oauth2, or sigv4: glue
    namespace: [posthog]
    table: session_replays
    storage:
      # Without keys here, the catalog's are used, or AWS's default chain.
      region: eu-central-1
`,
  },
  bigquery: {
    name: "warehouse",
    isLake: false,
    yaml: `  # A BigQuery table. Credentials are the application default ones; for others, see docs/bigquery.md.
  warehouse:
    type: bigquery
    project: "\${BIGQUERY_PROJECT}"
    dataset: posthog # it must exist
    table: session_replays
`,
  },
  snowflake: {
    name: "warehouse",
    isLake: false,
    yaml: `  # A Snowflake table. docs/snowflake.md has the statements that create the user, its role and its key.
  warehouse:
    type: snowflake
    account: "\${SNOWFLAKE_ACCOUNT}"
    username: REPLAYPORT
    private_key: "\${SNOWFLAKE_PRIVATE_KEY}"
    role: REPLAYPORT
    warehouse: LOADING
    database: ANALYTICS # database and schema must exist
    schema: POSTHOG
    table: SESSION_REPLAYS
`,
  },
};

const OTHER_DESTINATIONS = `  # Or a folder:
  # local: { type: file, path: ./lake }
  # Or a warehouse table (docs/snowflake.md, docs/bigquery.md):
  # warehouse: { type: bigquery, project: acme-data, dataset: posthog, table: session_replays }
`;

const FILES = `    # format: parquet # or jsonl, csv
    # compression: zstd
    # path: "{export}/dt={year}-{month}-{day}"
`;

const ROWS_AND_COLUMNS = `    # Only some rows:
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
