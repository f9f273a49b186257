/** From the text of schedules.yaml to a config, or to a list of everything that is wrong with it. */
import { dirname, resolve } from "node:path";
import type * as z from "zod";
import type { ExportDefinition } from "../export/definition.ts";
import { resolveAlerts } from "./alerts.ts";
import type { DestinationOptions } from "../../destinations/options.ts";
import { checkForDestination, destinationSchema, resolveDestination, suited } from "./destinations/destinations.ts";
import { type Environment, substituteTree, type SubstitutedTree } from "./values/env.ts";
import { resolveExport, type Shared } from "./exports.ts";
import { NAME } from "./values/fields.ts";
import type { FleetSettings } from "../fleet/fleet.ts";
import { checkRedisKeys, resolveFleet, resolveRedis } from "./fleet.ts";
import { resolveHttp } from "./http.ts";
import { coerce, reportIssues } from "./problems/zod_issues.ts";
import { configJsonSchema } from "./problems/json_schema.ts";
import { installationOf } from "./installation.ts";
import { isRecord, type Path, pathKey } from "./problems/path.ts";
import { checkCollisions, checkTables } from "./path_collisions.ts";
import { createReport, type Problem, type Report } from "./problems/problems.ts";
import { configSchema, exportSchema } from "./schema.ts";
import { collectSecrets, type IsSecret, secretPaths } from "./secrets.ts";
import { resolveSource, type SourceConfig, sourceSchema } from "./source.ts";
import { resolveTelemetry } from "./telemetry.ts";
import { readYaml } from "./yaml.ts";

export interface Config {
  /** Absolute. */
  readonly file: string;
  readonly source: SourceConfig;
  /** What tells this installation from another one. */
  readonly installation: string;
  /** By name. */
  readonly destinations: Readonly<Record<string, DestinationOptions>>;
  /** In the order of the file. */
  readonly exports: readonly ExportDefinition[];
  /** Undefined if the file has no `redis`. */
  readonly redis: ReturnType<typeof resolveRedis> | undefined;
  readonly fleet: FleetSettings;
  readonly http: ReturnType<typeof resolveHttp>;
  /** Undefined if the file has no `alerts`. */
  readonly alerts: ReturnType<typeof resolveAlerts> | undefined;
  readonly telemetry: ReturnType<typeof resolveTelemetry>;
  /** Every secret in the file, longest first, for logs to hide. */
  readonly secrets: readonly string[];
}

export interface ParseOptions {
  /** Names the file in problems. Relative paths start in its folder. */
  readonly file: string;
  readonly env: Environment;
  /** The text of another file, by its absolute path. */
  readonly read: (path: string) => Promise<string>;
}

export type ParseResult = { readonly config: Config } | { readonly problems: readonly Problem[] };

export async function parseConfig(text: string, options: ParseOptions): Promise<ParseResult> {
  const { file, env } = options;
  const { document, lines, tree: raw, problems: syntax, readable } = readYaml(text, file);
  if (!readable) return { problems: syntax };
  const isSecret = secretPaths(configJsonSchema());
  const report = createReport({ file, document, lines, raw, isSecret });
  const config = await resolveConfig(substituteTree(raw, env), options, isSecret, report);
  const problems = [...syntax, ...report.problems];
  return config && problems.length === 0 ? { config } : { problems };
}

/**
 * Reports everything that is wrong at once, so each step works with what the steps before it left valid:
 *
 * 1. variables that are missing;
 * 2. the schema, where numbers and flags from the environment are still text;
 * 3. names that the user chose;
 * 4. source and destinations, each by itself;
 * 5. exports, each by itself;
 * 6. exports together with each other and with their destinations;
 * 7. the optional sections, which the schema has checked in full.
 *
 * @returns undefined if there is no valid source; other problems are only in the report
 */
async function resolveConfig(
  substituted: SubstitutedTree,
  { file, read }: ParseOptions,
  isSecret: IsSecret,
  report: Report,
): Promise<Config | undefined> {
  const folder = dirname(resolve(file));
  reportEnvironment(substituted, report);
  const top = checkSchema(substituted, report);
  const settings = validKeys(configSchema, top);

  reportNames(top, report);
  const source = await resolveCheckedSource(top["source"], folder, read, report);
  const destinations = resolveDestinations(top["destinations"], folder, report);

  const origin = (path: Path) => substituted.origins.get(pathKey(path));
  const exports = await resolveExports(top["exports"], {
    report,
    folder,
    destinations: Object.keys(isRecord(top["destinations"]) ? top["destinations"] : {}),
    hasSalt: Object.hasOwn(top, "hash_salt"),
    salt: settings.hash_salt ?? "",
    posthogUrl: settings.posthog_url ?? "",
    limits: settings.limits ?? {},
    read,
    wholeFromEnv: (path) => origin(path)?.whole ?? false,
    fromEnv: (path) => origin(path) !== undefined,
  });
  checkCollisions(exports, destinations, report);
  checkTables(exports, destinations, report);
  for (const definition of exports) {
    const destination = destinations[definition.destination];
    if (destination) checkForDestination(definition, destination, report);
  }

  if (!source) return undefined;
  if (settings.redis) checkRedisKeys(settings.redis, report);
  const redis = settings.redis && resolveRedis(settings.redis, folder);
  return {
    file: resolve(file),
    source,
    installation: settings.installation ?? installationOf(source, settings.posthog_url),
    destinations,
    exports: exports.map((definition) => {
      const destination = destinations[definition.destination];
      return destination ? suited(definition, destination) : definition;
    }),
    redis,
    fleet: resolveFleet(settings.fleet),
    http: resolveHttp(settings.http),
    alerts: settings.alerts && resolveAlerts(settings.alerts),
    telemetry: resolveTelemetry(settings.telemetry),
    // The password of Redis is part of its URL, so only the parsed URL has it.
    secrets: collectSecrets(substituted, isSecret, redis?.password),
  };
}

function reportEnvironment({ origins }: SubstitutedTree, report: Report): void {
  for (const { path, missing, malformed } of origins.values()) {
    for (const name of new Set(missing)) {
      const fix = `Set ${name} to a value that is not empty, or write \${${name}:-default}.`;
      report.add(path, `the environment variable ${name} is missing`, fix);
    }
    if (malformed) {
      const fix = "Write ${NAME} or ${NAME:-default}; for a literal ${ write $${.";
      report.add(path, "not a placeholder", fix);
    }
    if (missing.length > 0 || malformed) report.mute(path);
  }
}

/** Reports what the schema refuses. @returns the tree, with the numbers and flags that the environment holds as text */
function checkSchema(substituted: SubstitutedTree, report: Report): Readonly<Record<string, unknown>> {
  const first = configSchema.safeParse(substituted.tree, { reportInput: true });
  const coerced = first.success ? undefined : coerce(substituted, first.error.issues);
  const tree = coerced ?? substituted.tree;
  const result = coerced === undefined ? first : configSchema.safeParse(tree, { reportInput: true });
  if (!result.success) reportIssues(result.error.issues, tree, configJsonSchema(), report);
  return isRecord(tree) ? tree : {};
}

/** The keys that are valid by themselves, whatever is wrong with the others. */
function validKeys<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  given: unknown,
): Partial<z.output<z.ZodObject<Shape>>> {
  if (!isRecord(given)) return {};
  const entries = Object.entries(schema.shape).flatMap(([key, field]) => {
    const value = Object.hasOwn(given, key) ? given[key] : undefined;
    const result = (field as unknown as z.ZodType).safeParse(value);
    return result.success && result.data !== undefined ? [[key, result.data]] : [];
  });
  return Object.fromEntries(entries) as Partial<z.output<z.ZodObject<Shape>>>;
}

function reportNames(top: Readonly<Record<string, unknown>>, report: Report): void {
  for (const section of ["destinations", "exports"]) {
    const given = top[section];
    for (const name of isRecord(given) ? Object.keys(given) : []) {
      if (NAME.test(name)) continue;
      const fix = "Write 1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit.";
      report.add([section, name], "not a name", fix, "key");
    }
  }
}

async function resolveCheckedSource(
  given: unknown,
  folder: string,
  read: ParseOptions["read"],
  report: Report,
): Promise<SourceConfig | undefined> {
  const source = resolveSource(validKeys(sourceSchema, given), folder);
  if (isRecord(given)) {
    const named = ["clickhouse", "embedded"].filter((key) => Object.hasOwn(given, key));
    const problem = named.length === 0 ? "names neither clickhouse nor embedded" : "names both clickhouse and embedded";
    if (named.length !== 1) report.add(["source"], problem, "Keep one of the two.", "key");
  }
  if (source?.kind === "clickhouse" && source.caFile !== undefined) {
    await read(source.caFile).catch(() => {
      const fix = "Write the path of a PEM file, relative to the YAML file.";
      report.add(["source", "clickhouse", "ca_file"], "cannot be read", fix);
    });
  }
  return source;
}

function resolveDestinations(given: unknown, folder: string, report: Report): Record<string, DestinationOptions> {
  const destinations: Record<string, DestinationOptions> = {};
  for (const [name, one] of Object.entries(isRecord(given) ? given : {})) {
    const parsed = destinationSchema.safeParse(one);
    if (parsed.success) destinations[name] = resolveDestination(parsed.data, ["destinations", name], folder, report);
  }
  return destinations;
}

async function resolveExports(given: unknown, shared: Shared): Promise<ExportDefinition[]> {
  const exports: ExportDefinition[] = [];
  if (!isRecord(given)) return exports;
  if (Object.keys(given).length === 0) {
    shared.report.add(["exports"], "names no export", "Write at least one; `replayport init` shows how.", "key");
  }
  for (const [name, one] of Object.entries(given)) {
    if (!isRecord(one)) continue;
    const definition = await resolveExport(name, validKeys(exportSchema, one), new Set(Object.keys(one)), shared);
    if (definition) exports.push(definition);
  }
  return exports;
}
