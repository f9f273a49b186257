/** The Snowflake destination: one current row per session in a table, the receipts beside it. */
import type { Destination, DestinationDeps, DestinationExport } from "../destination.ts";
import { addressOf, sessionOpener } from "./client.ts";
import { externalStage } from "./external_stage.ts";
import { resolveIdentifier, snowflake } from "../sql/snowflake.ts";
import { namesOf, objectPath } from "./names.ts";
import { DEFAULT_FILE_BYTES, type SnowflakeOptions } from "./options.ts";
import { Snowflake } from "./snowflake.ts";
import { internalStage } from "./stage.ts";
import type { OpenSession } from "./statement.ts";

export type { ExternalStage, SnowflakeAuth, SnowflakeOptions } from "./options.ts";

/** The target as SQL names it: `"DATABASE"."SCHEMA"."TABLE"`. Its rows are the current ones. */
export function snowflakeTable(options: Pick<SnowflakeOptions, "database" | "schema" | "table">): string {
  const names = namesOf(options);
  return objectPath(names, names.table);
}

/** Asks nothing of Snowflake yet. */
export function openSnowflake(
  options: SnowflakeOptions,
  forExport: DestinationExport,
  deps: DestinationDeps,
): Destination {
  return openSnowflakeOn(sessionOpener(options), options, forExport, deps);
}

/** On sessions of any kind: what the tests of crashes use. */
export function openSnowflakeOn(
  openSession: OpenSession,
  options: SnowflakeOptions,
  { export: exportName }: DestinationExport,
  { now, version, onWarning }: DestinationDeps,
): Destination {
  const names = namesOf(options);
  const openStage =
    options.externalStage === undefined
      ? internalStage(names, options.stage)
      : externalStage(names, options.externalStage);
  const onDelete = options.onDelete ?? "tombstone";
  const named = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : snowflake.identifier(resolveIdentifier(name));
  return new Snowflake(
    {
      export: exportName,
      now,
      version,
      onWarning,
      names,
      role: named(options.role),
      warehouse: named(options.warehouse),
      onDelete,
      openSession,
      openStage,
    },
    addressOf(options),
    options.fileBytes ?? DEFAULT_FILE_BYTES,
  );
}
