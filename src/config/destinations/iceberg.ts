/** A table in an Iceberg catalog, as the YAML names it. */
import * as z from "zod";
import type { CatalogAuth } from "../../../destinations/catalog/options.ts";
import type { IcebergOptions, IcebergStorage } from "../../../destinations/iceberg/options.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import type { Path } from "../problems/path.ts";
import type { Report } from "../problems/problems.ts";
import { defined } from "../values/defined.ts";
import { duration, field, httpUrl, matching, optional, secret, text } from "../values/fields.ts";
import { DAY_MS } from "../values/units.ts";
import { checkOnDelete, onDelete } from "./deletion.ts";
import { resolveBucket, s3Schema } from "./s3.ts";

/** What every engine can name. */
const name = matching(/^(?!_?replayport)[\p{L}\p{N}_-]{1,255}$/iu);

const oauth2 = z.strictObject({
  client_id: field(text, "The id of the client.", "replayport"),
  client_secret: field(secret, "Its secret.", "${CATALOG_SECRET}"),
  scope: optional(text, "What the token is for. Default: catalog.", "PRINCIPAL_ROLE:ALL"),
  token_url: optional(
    httpUrl,
    "Where tokens come from. Without it, v1/oauth/tokens of the catalog.",
    "https://idp.acme.com/token",
  ),
});

const sigv4 = z.union([
  matching(/^[a-z0-9-]+$/),
  z.strictObject({
    service: matching(/^[a-z0-9-]+$/).describe("The service that requests are signed for: glue or s3tables."),
    region: optional(matching(/^[a-z0-9-]+$/), "The service's region. Without it, that of the storage."),
  }),
]);

const catalog = z.strictObject({
  uri: field(httpUrl, "The catalog's address, without /v1.", "https://glue.eu-central-1.amazonaws.com/iceberg"),
  warehouse: optional(text, "What the catalog calls a warehouse: an account id, an ARN, a name.", "123456789012"),
  token: optional(secret, "A bearer token that doesn't end.", "${CATALOG_TOKEN}"),
  oauth2: optional(oauth2, "OAuth2 client credentials.", {
    client_id: "replayport",
    client_secret: "${CATALOG_SECRET}",
  }),
  sigv4: optional(
    sigv4,
    "Sign as AWS asks, for this service; with the keys of the storage, or AWS's default chain.",
    "glue",
  ),
  vended_credentials: optional(
    z.boolean(),
    "Ask the catalog for keys to the storage. Without keys in `storage`, the default.",
  ),
});

export const icebergSchema = z
  .strictObject({
    type: z.literal("iceberg").describe("An Apache Iceberg table in a REST catalog."),
    catalog: field(
      catalog,
      "The catalog. At most one of token, oauth2 and sigv4; none of them for a catalog without sign-in.",
      {
        uri: "https://glue.eu-central-1.amazonaws.com/iceberg",
        warehouse: "123456789012",
        sigv4: "glue",
      },
    ),
    namespace: field(z.array(name).min(1), "The namespace. It is created if it doesn't exist.", ["posthog"]),
    table: optional(name, "The table, of this export alone. Without it, the export's name.", "session_replays"),
    storage: optional(
      s3Schema.omit({ type: true, on_delete: true, keep_replaced: true, bucket: true }).extend({
        bucket: optional(
          s3Schema.shape.bucket,
          "Where a new table's files go. Without it, the catalog chooses.",
          "acme-lakehouse",
        ),
      }),
      "The bucket of the table's files, and the keys to it. Without keys, those that the catalog vends, or AWS's default chain.",
      { bucket: "acme-lakehouse", region: "eu-central-1" },
    ),
    keep_snapshots: optional(
      duration(0, 365 * DAY_MS),
      "How long the table's older snapshots stay readable. The last ten always stay. Default 5d.",
      "5d",
    ),
    on_delete: onDelete,
  })
  .describe("An Apache Iceberg table.");

type Input = z.output<typeof icebergSchema>;

/** Reports what the schema can't see: ways to sign in that exclude each other, and keys that belong together. */
export function resolveIceberg(input: Input, path: Path, report: Report): IcebergOptions {
  const { uri, warehouse, vended_credentials: vended } = input.catalog;
  const storage = input.storage && storageOf(input.storage, [...path, "storage"], report);
  return defined<Omit<IcebergOptions, "fileBytes">>({
    type: "iceberg",
    catalog: {
      ...defined<Omit<IcebergOptions["catalog"], "timeoutMs">>({
        uri,
        warehouse,
        auth: authOf(input, storage, path, report),
        vendedCredentials: vended ?? (storage?.credentials === undefined && storage?.assumeRole === undefined),
      }),
    },
    namespace: input.namespace,
    table: input.table,
    storage,
    keepSnapshotsMs: input.keep_snapshots,
    onDelete: input.on_delete,
  });
}

function storageOf({ bucket, ...rest }: NonNullable<Input["storage"]>, path: Path, report: Report): IcebergStorage {
  if (bucket === undefined && rest.prefix !== undefined) {
    report.add([...path, "prefix"], "has no bucket beside it", "Give the bucket too, or remove it.", "key");
  }
  const { bucket: _, ...options } = resolveBucket({ ...rest, bucket: bucket ?? "" }, path, report);
  return bucket === undefined ? options : { ...options, bucket };
}

const WAYS = ["token", "oauth2", "sigv4"] as const;

function authOf(
  { catalog: given }: Input,
  storage: IcebergStorage | undefined,
  path: Path,
  report: Report,
): CatalogAuth {
  const ways = WAYS.filter((way) => given[way] !== undefined);
  for (const way of ways.slice(1)) {
    report.add([...path, "catalog", way], "is a second way to sign in", `Keep one of: ${ways.join(", ")}.`, "key");
  }
  if (given.token !== undefined) return { type: "token", token: given.token };
  if (given.oauth2 !== undefined) {
    const { client_id, client_secret, scope, token_url } = given.oauth2;
    return defined<Extract<CatalogAuth, { type: "oauth2" }>>({
      type: "oauth2",
      clientId: client_id,
      clientSecret: client_secret,
      scope,
      tokenUrl: token_url,
    });
  }
  if (given.sigv4 === undefined) return { type: "none" };
  const { service, region = storage?.region } =
    typeof given.sigv4 === "string" ? { service: given.sigv4, region: undefined } : given.sigv4;
  if (region === undefined) {
    const fix = "Write sigv4: { service: glue, region: eu-central-1 }, or give the storage's region.";
    report.add([...path, "catalog", "sigv4"], "has no region", fix);
  }
  return defined<Extract<CatalogAuth, { type: "sigv4" }>>({
    type: "sigv4",
    service,
    region: region ?? "",
    credentials: storage?.credentials,
    assumeRole: storage?.assumeRole,
  });
}

/** An Iceberg table has Parquet files. */
export function checkIceberg(definition: ExportDefinition, report: Report): void {
  const { name: exportName, format } = definition;
  if (format !== "parquet") {
    report.add(
      ["exports", exportName, "format"],
      `an Iceberg table has no ${format} files`,
      "Write format: parquet, or leave it out.",
    );
  }
  checkOnDelete(definition, report);
}
