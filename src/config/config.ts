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
import {
  invalidConfig,
  isMarked,
  markOf,
  missingAt,
  type MissingVariable,
  setOrThrow,
  throwingExcept,
} from "./missing.ts";
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
  /** Whether the file has `redis`, even if it can't be read for lack of a variable. */
  readonly hasFleet: boolean;
  /** Every secret in the file, longest first, for logs to hide. */
  readonly secrets: readonly string[];
}

/** Which variables of the config have to be there: all of them, or those that are then used. */
export type Needs = "all" | "used";

export interface ParseOptions {
  /** Names the file in problems. Relative paths start in its folder. */
  readonly file: string;
  readonly env: Environment;
  /** The text of another file, by its absolute path. */
  readonly read: (path: string) => Promise<string>;
  /** Default: all. With "used", what needs a missing variable throws `config.invalid` when it is read. */
  readonly needs?: Needs;
}

export type ParseResult = { readonly config: Config } | { readonly problems: readonly Problem[] };

export async function parseConfig(text: string, options: ParseOptions): Promise<ParseResult> {
  const { file, env } = options;
  const { document, lines, tree: raw, problems: syntax, readable } = readYaml(text, file);
  if (!readable) return { problems: syntax };
  const isSecret = secretPaths(configJsonSchema());
  const written = { file, document, lines, raw, isSecret };
  const report = createReport(written);
  const substituted = substituteTree(raw, env);
  const missing = findMissing(substituted, createReport(written));
  for (const { path } of missing) report.mute(path);
  const config = await resolveConfig(substituted, missing, options, isSecret, report);
  const mistakes = [...syntax, ...report.problems];
  const taken = mistakes.length === 0 && (options.needs === "used" || missing.length === 0);
  return config && taken ? { config } : { problems: [...missing.map(({ problem }) => problem), ...mistakes] };
}

/**
 * Reports everything that is wrong at once, so each step works with what the steps before it left valid:
 *
 * 1. placeholders that are malformed;
 * 2. the schema, where numbers and flags from the environment are still text;
 * 3. names that the user chose;
 * 4. source and destinations, each by itself;
 * 5. exports, each by itself;
 * 6. exports together with each other and with their destinations;
 * 7. the optional sections, which the schema has checked in full.
 *
 * @param missing variables; a problem that follows from one is none
 * @returns undefined if there is no valid source; other problems are only in the report
 */
async function resolveConfig(
  substituted: SubstitutedTree,
  missing: readonly MissingVariable[],
  { file, read }: ParseOptions,
  isSecret: IsSecret,
  report: Report,
): Promise<Config | undefined> {
  const folder = dirname(resolve(file));
  reportMalformed(substituted, report);
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
    posthogUrl: settings.posthog_url ?? missingAt(missing, "posthog_url").map(({ name }) => markOf(name))[0] ?? "",
    limits: settings.limits ?? {},
    read,
    wholeFromEnv: (path) => origin(path)?.whole ?? false,
    fromEnv: (path) => origin(path) !== undefined,
  });
  const complete = exports.filter(({ name }) => missingAt(missing, "exports", name).length === 0);
  checkCollisions(complete, destinations, report);
  checkTables(complete, destinations, report);
  for (const definition of complete) {
    const destination = destinations[definition.destination];
    if (destination) checkForDestination(definition, destination, report);
  }

  if (!source && missingAt(missing, "source").length === 0) return undefined;
  if (settings.redis) checkRedisKeys(settings.redis, report);
  const redis = settings.redis && resolveRedis(settings.redis, folder);
  const { posthog_url: posthog } = settings;
  const known = source && (posthog !== undefined || !Object.hasOwn(top, "posthog_url"));
  const sections = {
    source,
    installation: settings.installation ?? (known ? installationOf(source, posthog) : undefined),
    redis,
    fleet: resolveFleet(settings.fleet),
    http: resolveHttp(settings.http),
    alerts: settings.alerts && resolveAlerts(settings.alerts),
    telemetry: resolveTelemetry(settings.telemetry),
  };
  const config = {
    file: resolve(file),
    hasFleet: Object.hasOwn(top, "redis"),
    destinations,
    exports: complete.map((definition) => {
      const destination = destinations[definition.destination];
      return destination ? suited(definition, destination) : definition;
    }),
    // The password of Redis is part of its URL, so only the parsed URL has it.
    secrets: collectSecrets(substituted, isSecret, redis?.password),
  };
  if (missing.length === 0) return { ...config, ...sections } as Config;
  return throwWhereMissing(config, sections, { top, settings }, missing, file);
}

/** Whoever reads what was made of a missing variable gets the error that names it, and where the file has it. */
function throwWhereMissing(
  { destinations, exports, ...rest }: Pick<Config, "file" | "hasFleet" | "secrets" | "destinations" | "exports">,
  sections: Readonly<Record<string, unknown>>,
  { top, settings }: { readonly top: Readonly<Record<string, unknown>>; readonly settings: object },
  missing: readonly MissingVariable[],
  file: string,
): Config {
  const refuse = (which: readonly MissingVariable[]) =>
    invalidConfig(
      which.map(({ problem }) => problem),
      file,
    );
  const at = (...path: Path): MissingVariable[] => missingAt(missing, ...path);
  const namesIn = (section: string): string[] => Object.keys(isRecord(top[section]) ? top[section] : {});
  const config = { ...rest, secrets: rest.secrets.filter((secret) => !isMarked(secret)) };
  for (const [key, value] of Object.entries(sections)) {
    const own = key === "installation" && !Object.hasOwn(top, key) ? [...at("source"), ...at("posthog_url")] : at(key);
    // Numbers and addresses don't take the place of a missing variable, so the schema refused the section that has one.
    const refused = Object.hasOwn(top, key) && !Object.hasOwn(settings, key);
    setOrThrow(config, key, refused ? undefined : value, own, refuse);
  }
  const all = {};
  for (const name of namesIn("destinations"))
    setOrThrow(all, name, destinations[name], at("destinations", name), refuse);
  const definitions = namesIn("exports").flatMap((name) => {
    const own = at("exports", name);
    if (own.length > 0) return [throwingExcept(name, () => refuse(own))];
    const found = exports.find((one) => one.name === name);
    if (!found) return [];
    const { selection, limits, attemptMs, ...others } = found;
    const shared = at("limits");
    setOrThrow(others, "selection", selection, [...at("hash_salt"), ...at("posthog_url")], refuse);
    setOrThrow(others, "limits", shared.length > 0 ? undefined : limits, shared, refuse);
    setOrThrow(others, "attemptMs", shared.length > 0 ? undefined : attemptMs, shared, refuse);
    return [others];
  });
  return Object.assign(config, { destinations: all, exports: definitions }) as unknown as Config;
}

function findMissing({ origins }: SubstitutedTree, report: Report): MissingVariable[] {
  return [...origins.values()].flatMap(({ path, missing }) =>
    [...new Set(missing)].flatMap((name) => {
      const fix = `Set ${name} to a value that is not empty, or write \${${name}:-default}.`;
      report.add(path, `the environment variable ${name} is missing`, fix);
      const problem = report.problems.at(-1);
      return problem ? [{ name, path, problem }] : [];
    }),
  );
}

function reportMalformed({ origins }: SubstitutedTree, report: Report): void {
  for (const { path, malformed } of origins.values()) {
    if (!malformed) continue;
    report.add(path, "not a placeholder", "Write ${NAME} or ${NAME:-default}; for a literal ${ write $${.");
    report.mute(path);
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
