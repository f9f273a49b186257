/** The rooms of the sources and what each may import. ARCHITECTURE.md's table is written from it. */
import { files } from "./import_graph.ts";

/** The room of one of our files: its folder, or its own name where it stands at the top. */
export function room(file: string): string {
  const parts = file.split("/");
  if (parts[0] === "destinations") return parts.length === 2 ? file : `destinations/${parts[1]}`;
  return parts.length === 2 ? file : `src/${parts[1]}`;
}

export const INNER = ["src/abort.ts", "src/errors.ts", "src/retry.ts", "src/tls.ts", "src/intervals", "src/models"];
/** What every destination shares. */
export const SHARED = ["check", "cleanup", "commit_outcome", "current_receipts", "races", "receipts"].map(
  (name) => `destinations/${name}.ts`,
);
const DESTINATION = [...INNER, ...SHARED, "destinations/destination.ts", "destinations/files"];
export const CORE = [...INNER, "destinations/destination.ts", "src/export", "src/stage"];
/** The options of each destination. The config resolves to them, so it imports their types. */
export const OPTIONS = files.filter((file) => /^destinations\/(?:.+\/)?\w*options\.ts$/.test(file));

/** What each room may import of ours, besides itself. A room that is not named here fails the test. */
export const MAY: Readonly<Record<string, readonly string[]>> = {
  "src/abort.ts": [],
  "src/errors.ts": [],
  "src/retry.ts": ["src/errors.ts"],
  "src/tls.ts": [],
  "src/version.ts": [],
  "src/text.ts": [],
  "src/intervals": ["src/errors.ts"],
  "src/models": ["src/errors.ts", "src/intervals"],
  "destinations/destination.ts": ["src/intervals", "src/models"],
  "destinations/options.ts": OPTIONS,
  "destinations/check.ts": ["src/errors.ts"],
  "destinations/cleanup.ts": [],
  "destinations/commit_outcome.ts": [...INNER, "destinations/destination.ts", ...SHARED],
  "destinations/current_receipts.ts": [...INNER, "destinations/destination.ts"],
  "destinations/races.ts": [...INNER, "destinations/destination.ts"],
  "destinations/receipts.ts": [...INNER, "destinations/destination.ts"],
  "destinations/parquet": [],
  "destinations/keys": ["src/models", "destinations/destination.ts", "destinations/files", "destinations/parquet"],
  "src/stage": ["src/errors.ts", "destinations/destination.ts", "destinations/files", "destinations/parquet"],
  "src/export": [...INNER, "destinations/destination.ts", "src/stage"],
  "src/audit": CORE,
  "src/clickhouse_server": ["src/errors.ts"],
  "src/clickhouse": [...CORE, "src/clickhouse_server"],
  "src/config": [...CORE, ...OPTIONS, "src/fleet/fleet.ts"],
  "src/fleet": [...CORE, "src/audit", "src/version.ts"],
  "src/web": [...CORE, "src/fleet/condition.ts", "src/fleet/fleet.ts", "src/text.ts", "src/version.ts"],
  "src/alerts": [...CORE, "src/fleet/fleet.ts", "src/text.ts"],
  "src/telemetry": [...CORE, "src/fleet/fleet.ts", "src/version.ts"],
  "destinations/files": ["src/errors.ts", "destinations/destination.ts"],
  "destinations/store": ["src/errors.ts", "destinations/files"],
  "destinations/avro": [],
  "destinations/table_format": ["src/errors.ts", "src/models", "destinations/avro", "destinations/parquet"],
  "destinations/catalog": ["src/abort.ts", "src/errors.ts", "destinations/store", "destinations/table_format"],
  "destinations/sql": INNER,
  "destinations/warehouse": [...DESTINATION, "destinations/sql"],
  "destinations/lake": [
    ...DESTINATION,
    "destinations/keys",
    "destinations/parquet",
    "destinations/sql",
    "destinations/store",
  ],
  "destinations/iceberg": [
    ...DESTINATION,
    "destinations/avro",
    "destinations/catalog",
    "destinations/keys",
    "destinations/parquet",
    "destinations/sql",
    "destinations/store",
    "destinations/table_format",
  ],
  "destinations/bigquery": [...DESTINATION, "destinations/sql", "destinations/warehouse"],
  "destinations/snowflake": [...DESTINATION, "destinations/sql", "destinations/warehouse", "destinations/store"],
};
/** The commands compose the rooms; the demo is a command with its own data. */
export const COMPOSE = ["src/cli", "src/demo", "destinations/registry.ts"];
