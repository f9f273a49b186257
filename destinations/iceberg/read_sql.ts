/** How each engine reaches the table: the settings or statements that attach the catalog, and the SELECT. Pure; no secret is printed. */
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { bigquery } from "../sql/bigquery.ts";
import { clickhouse } from "../sql/clickhouse.ts";
import { type Dialect, oneLine } from "../sql/dialect.ts";
import { duckdb } from "../sql/duckdb.ts";
import { snowflake } from "../sql/snowflake.ts";
import { spark } from "../sql/spark.ts";
import { trino } from "../sql/trino.ts";
import type { IcebergOptions } from "./options.ts";

export const ICEBERG_READERS = [
  "duckdb",
  "clickhouse",
  "trino",
  "spark",
  "snowflake",
  "bigquery",
  "athena",
  "pyiceberg",
] as const;
export type IcebergReader = (typeof ICEBERG_READERS)[number];

interface Place {
  readonly options: IcebergOptions;
  /** Its parts as the engine quotes them, joined by dots. */
  readonly name: (quote: (part: string) => string, ...before: readonly string[]) => string;
  readonly select: (table: string) => string;
}

/**
 * Upper case words in angle brackets are to be filled in.
 * @param table the table's name
 * @param view makes a view of that name, quoted by the engine
 * @throws ReplayportError `iceberg.reader` where the engine can't reach such a catalog
 */
export function icebergSql(options: IcebergOptions, table: string, reader: IcebergReader, view?: string): string {
  const made = view === undefined ? "" : `CREATE OR REPLACE VIEW ${NAMES[reader].identifier(view)} AS\n`;
  const place: Place = {
    options,
    name: (of, ...before) => [...before, ...options.namespace.map(of), of(table)].join("."),
    select: (from) => `${made}SELECT * FROM ${from};`,
  };
  return WRITERS[reader](place, table);
}

/** Each engine's own names. Python takes none. */
const NAMES: Readonly<Record<IcebergReader, Pick<Dialect, "identifier">>> = {
  duckdb,
  clickhouse,
  trino,
  spark,
  snowflake,
  bigquery,
  athena: trino,
  pyiceberg: duckdb,
};

const WRITERS: Readonly<Record<IcebergReader, (place: Place, table: string) => string>> = {
  duckdb: ({ options: { catalog }, name, select }) => {
    const { uri, warehouse = "", auth } = catalog;
    const [secret, attach] = duckdbAuth(auth, uri);
    return `INSTALL iceberg; INSTALL httpfs; LOAD iceberg; LOAD httpfs;
${secret}ATTACH ${duckdb.string(warehouse)} AS lakehouse (TYPE iceberg, ${attach});
${select(name(duckdb.identifier, "lakehouse"))}`;
  },
  clickhouse: ({ options, select }, table) => {
    const { catalog, storage } = options;
    const { uri, warehouse = "", auth } = catalog;
    const own = storage?.endpoint === undefined ? "" : `, storage_endpoint = ${clickhouse.string(storage.endpoint)}`;
    const settings =
      auth.type === "sigv4" && auth.service === "glue"
        ? `catalog_type = 'glue', region = ${clickhouse.string(auth.region)}, aws_access_key_id = '<KEY>', aws_secret_access_key = '<SECRET>'`
        : `catalog_type = 'rest', warehouse = ${clickhouse.string(warehouse)}${credential(auth, "catalog_credential")}${own}`;
    return `SET allow_experimental_database_iceberg = 1;
CREATE DATABASE IF NOT EXISTS lakehouse ENGINE = DataLakeCatalog(${clickhouse.string(`${uri}/v1`)}, '<KEY>', '<SECRET>')
SETTINGS ${settings};
${select(`lakehouse.${clickhouse.identifier([...options.namespace, table].join("."))}`)}`;
  },
  trino: ({ options: { catalog }, name, select }) => {
    const { uri, warehouse, auth } = catalog;
    return `-- etc/catalog/lakehouse.properties:
--   connector.name=iceberg
--   fs.native-s3.enabled=true
--   iceberg.catalog.type=rest
--   iceberg.rest-catalog.uri=${oneLine(uri)}
${warehouse === undefined ? "" : `--   iceberg.rest-catalog.warehouse=${oneLine(warehouse)}\n`}${trinoAuth(auth)}${select(name(trino.identifier, "lakehouse"))}`;
  },
  spark: ({ options, name, select }) => {
    const settings = Object.entries({ type: "rest", ...properties(options) });
    const lines = settings.map(([key, value]) => `--   --conf spark.sql.catalog.lakehouse.${key}=${oneLine(value)}`);
    return `-- spark-sql --packages org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.1,org.apache.iceberg:iceberg-aws-bundle:1.10.1
--   --conf spark.sql.catalog.lakehouse=org.apache.iceberg.spark.SparkCatalog
${lines.join("\n")}
${select(name(spark.identifier, "lakehouse"))}`;
  },
  snowflake: ({ options, select }, table) => {
    const { uri, warehouse, auth } = options.catalog;
    const named = warehouse === undefined ? "" : ` CATALOG_NAME = ${snowflake.string(warehouse)}`;
    return `CREATE CATALOG INTEGRATION IF NOT EXISTS lakehouse
  CATALOG_SOURCE = ICEBERG_REST TABLE_FORMAT = ICEBERG CATALOG_NAMESPACE = ${snowflake.string(options.namespace.join("."))}
  REST_CONFIG = (CATALOG_URI = ${snowflake.string(uri)}${named})
  REST_AUTHENTICATION = (${snowflakeAuth(auth)}) ENABLED = TRUE;
CREATE ICEBERG TABLE IF NOT EXISTS ${snowflake.identifier(table)}
  EXTERNAL_VOLUME = '<VOLUME>' CATALOG = lakehouse CATALOG_TABLE_NAME = ${snowflake.string(table)} AUTO_REFRESH = TRUE;
${select(snowflake.identifier(table))}`;
  },
  bigquery: ({ name, select }) =>
    `-- For a table in BigLake's catalog. Of another catalog, BigQuery reads one metadata file at a time:
-- CREATE OR REPLACE EXTERNAL TABLE dataset.table OPTIONS (format = 'ICEBERG', uris = ['<METADATA_FILE>']);
${select(name(bigquery.identifier, "`<PROJECT>`", "`<CATALOG>`"))}`,
  athena: ({ options: { catalog }, name, select }) => {
    const { auth } = catalog;
    if (auth.type !== "sigv4") throw unreachable("athena", "Athena reads tables of AWS Glue and S3 Tables only.");
    const source = auth.service === "s3tables" ? "s3tablescatalog/<TABLE_BUCKET>" : "AwsDataCatalog";
    return select(name(trino.identifier, trino.identifier(source)));
  },
  pyiceberg: ({ options }, table) => {
    const settings = Object.entries({ type: "rest", ...properties(options) });
    const path = [...options.namespace, table].map((part) => JSON.stringify(part)).join(", ");
    return `from pyiceberg.catalog import load_catalog

catalog = load_catalog("lakehouse", **{
${settings.map(([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(value)},`).join("\n")}
})
replays = catalog.load_table((${path}))
print(replays.scan().to_arrow())`;
  },
};

type Auth = IcebergOptions["catalog"]["auth"];

/** The properties that Iceberg's own clients take. */
function properties({ catalog, storage }: IcebergOptions): Record<string, string> {
  const { uri, warehouse, auth } = catalog;
  return {
    uri,
    ...(warehouse === undefined ? {} : { warehouse }),
    ...(auth.type === "token" ? { token: "<TOKEN>" } : {}),
    ...(auth.type === "oauth2" ? { credential: "<CLIENT_ID>:<CLIENT_SECRET>", scope: auth.scope ?? "catalog" } : {}),
    ...(auth.type === "oauth2" && auth.tokenUrl !== undefined ? { "oauth2-server-uri": auth.tokenUrl } : {}),
    ...(auth.type === "sigv4"
      ? { "rest.sigv4-enabled": "true", "rest.signing-name": auth.service, "rest.signing-region": auth.region }
      : {}),
    ...(storage?.endpoint === undefined ? {} : { "s3.endpoint": storage.endpoint }),
    ...(storage?.region === undefined ? {} : { "s3.region": storage.region, "client.region": storage.region }),
  };
}

function duckdbAuth(auth: Auth, uri: string): [secret: string, attach: string] {
  const endpoint = `ENDPOINT ${duckdb.string(uri)}`;
  switch (auth.type) {
    case "none":
      return ["", `${endpoint}, AUTHORIZATION_TYPE 'none'`];
    case "token":
      return ["CREATE SECRET catalog (TYPE iceberg, TOKEN '<TOKEN>');\n", `${endpoint}, SECRET catalog`];
    case "oauth2": {
      const server = auth.tokenUrl === undefined ? "" : `, OAUTH2_SERVER_URI ${duckdb.string(auth.tokenUrl)}`;
      const secret = `CREATE SECRET catalog (TYPE iceberg, CLIENT_ID '<CLIENT_ID>', CLIENT_SECRET '<CLIENT_SECRET>'${server});\n`;
      return [secret, `${endpoint}, SECRET catalog`];
    }
    case "sigv4": {
      const secret = `CREATE SECRET storage (TYPE s3, PROVIDER credential_chain, REGION ${duckdb.string(auth.region)});\n`;
      return [secret, `ENDPOINT_TYPE '${auth.service === "s3tables" ? "s3_tables" : "glue"}', SECRET storage`];
    }
    default:
      return auth satisfies never;
  }
}

function credential(auth: Auth, name: string): string {
  switch (auth.type) {
    case "none":
      return "";
    case "token":
      return ", auth_header = 'Authorization: Bearer <TOKEN>'";
    case "oauth2":
      return `, ${name} = '<CLIENT_ID>:<CLIENT_SECRET>'${
        auth.tokenUrl === undefined ? "" : `, oauth_server_uri = ${clickhouse.string(auth.tokenUrl)}`
      }`;
    case "sigv4":
      throw unreachable(
        "clickhouse",
        "ClickHouse signs for AWS Glue only. Read the table with DuckDB, Trino or Spark.",
      );
    default:
      return auth satisfies never;
  }
}

function trinoAuth(auth: Auth): string {
  const line = (name: string, value: string): string => `--   iceberg.rest-catalog.${name}=${oneLine(value)}\n`;
  switch (auth.type) {
    case "none":
      return "";
    case "token":
      return line("security", "OAUTH2") + line("oauth2.token", "<TOKEN>");
    case "oauth2":
      return line("security", "OAUTH2") + line("oauth2.credential", "<CLIENT_ID>:<CLIENT_SECRET>");
    case "sigv4":
      return (
        line("security", "SIGV4") + line("signing-name", auth.service) + `--   s3.region=${oneLine(auth.region)}\n`
      );
    default:
      return auth satisfies never;
  }
}

function snowflakeAuth(auth: Auth): string {
  switch (auth.type) {
    case "none":
      throw unreachable("snowflake", "Snowflake needs a catalog with sign-in.");
    case "token":
      return "TYPE = BEARER BEARER_TOKEN = '<TOKEN>'";
    case "oauth2":
      return `TYPE = OAUTH OAUTH_CLIENT_ID = '<CLIENT_ID>' OAUTH_CLIENT_SECRET = '<CLIENT_SECRET>' OAUTH_ALLOWED_SCOPES = (${snowflake.string(auth.scope ?? "catalog")})`;
    case "sigv4":
      return `TYPE = SIGV4 SIGV4_IAM_ROLE = '<ROLE_ARN>' SIGV4_SIGNING_REGION = ${snowflake.string(auth.region)}`;
    default:
      return auth satisfies never;
  }
}

function unreachable(reader: string, hint: string): ReplayportError {
  return new ReplayportError(`${reader} can't reach this catalog`, giveUp("iceberg.reader", hint));
}
