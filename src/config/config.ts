/** From the text of schedules.yaml to a config, or to everything that is wrong with it at once. */
import { dirname, resolve } from "node:path";
import { type Document, LineCounter, parseDocument, visit, type YAMLError } from "yaml";
import type * as z from "zod";
import type { ExportDefinition } from "../export/definition.ts";
import { type AlertsConfig, resolveAlerts } from "./alerts.ts";
import type { DestinationOptions } from "../../destinations/options.ts";
import { checkForDestination, destinationSchema, resolveDestination } from "./destinations/destinations.ts";
import { type Environment, substituteTree, type SubstitutedTree } from "./values/env.ts";
import { resolveExport, type Shared } from "./exports.ts";
import { NAME } from "./values/fields.ts";
import type { FleetSettings } from "../fleet/fleet.ts";
import { type RedisConfig, resolveFleet, resolveRedis } from "./fleet.ts";
import { type HttpConfig, resolveHttp } from "./http.ts";
import { coerce, reportIssues } from "./problems/zod_issues.ts";
import { configJsonSchema } from "./problems/json_schema.ts";
import { isRecord, pathKey } from "./problems/path.ts";
import { checkCollisions } from "./path_collisions.ts";
import { createReport, type Problem, type Report } from "./problems/problems.ts";
import { configSchema, exportSchema } from "./schema.ts";
import { collectSecrets, secretPaths } from "./secrets.ts";
import { resolveSource, type SourceConfig, sourceSchema } from "./source.ts";
import { resolveTelemetry, type TelemetryConfig } from "./telemetry.ts";

export interface Config {
  /** Absolute. */
  readonly file: string;
  readonly source: SourceConfig;
  /** By name. */
  readonly destinations: Readonly<Record<string, DestinationOptions>>;
  /** In the order of the file. */
  readonly exports: readonly ExportDefinition[];
  /** Undefined where the file has no `redis`. */
  readonly redis: RedisConfig | undefined;
  readonly fleet: FleetSettings;
  readonly http: HttpConfig;
  /** Undefined where the file has no `alerts`. */
  readonly alerts: AlertsConfig | undefined;
  readonly telemetry: TelemetryConfig;
  /** Every secret that was met, longest first; for logs to hide. */
  readonly secrets: readonly string[];
}

export interface ParseOptions {
  /** Names the file in problems, and its folder is where relative paths start. */
  readonly file: string;
  readonly env: Environment;
  /** The text of another file, by its absolute path. */
  readonly read: (path: string) => Promise<string>;
}

export type ParseResult = { readonly config: Config } | { readonly problems: readonly Problem[] };

// The messages of these quote the file, which may hold a password that YAML stumbled over.
const QUOTING: Readonly<Record<string, string>> = {
  UNEXPECTED_TOKEN: "something stands where YAML does not expect it",
  BAD_DQ_ESCAPE: "an escape that YAML does not know",
  TAG_RESOLVE_FAILED: "a tag that YAML does not know",
  BAD_ALIAS: "an alias without its anchor",
  BAD_DIRECTIVE: "a directive that YAML does not know",
};

function syntaxFix({ code }: YAMLError): string {
  if (code === "DUPLICATE_KEY") return "Remove one of the two.";
  if (code === "TAB_AS_INDENT") return "Indent with spaces.";
  if (code === "BAD_INDENT") return "Indent the keys of one mapping alike.";
  return "Values that hold any of : # & * ! @ ` { } [ ] % belong in quotes.";
}

/** The keys that are right by themselves, whatever is wrong with the others. */
function salvage<Shape extends z.ZodRawShape>(
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

/** Aliases without an anchor before them, and a key that zod would pass over in silence. */
function reportNodes(document: Document, report: Report): void {
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document)) return;
      report.addAt(
        node.range?.[0] ?? 0,
        "an alias without an anchor before it",
        "Set the anchor first, or put a * in quotes.",
      );
    },
    Scalar(role, node) {
      if (role === "key" && node.value === "__proto__") report.addAt(node.range?.[0] ?? 0, "unknown key", "Remove it.");
    },
  });
}

/** @throws where an alias holds itself, or aliases expand beyond measure */
function treeOf(document: Document): unknown {
  const tree: unknown = document.toJS();
  // Throws on a circle.
  JSON.stringify(tree);
  return tree;
}

export async function parseConfig(text: string, options: ParseOptions): Promise<ParseResult> {
  const { file } = options;
  const isSecret = secretPaths(configJsonSchema());
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: "1.2", merge: true });
  const problemsOf = (report: Report): ParseResult => ({ problems: report.problems });

  const syntax = createReport({ file, document, lines, raw: undefined, isSecret });
  for (const error of [...document.errors, ...document.warnings]) {
    syntax.addAt(error.pos[0], QUOTING[error.code] ?? error.message, syntaxFix(error));
  }
  reportNodes(document, syntax);
  // A key that stands twice is the one mistake after which the rest still means what it says.
  if (syntax.problems.length > document.errors.filter(({ code }) => code === "DUPLICATE_KEY").length)
    return problemsOf(syntax);
  let raw: unknown;
  try {
    raw = treeOf(document);
  } catch {
    syntax.addAt(
      0,
      "an alias cannot be resolved",
      "Aliases need an anchor before them, must not hold themselves, and be few.",
    );
    return problemsOf(syntax);
  }

  const report = createReport({ file, document, lines, raw, isSecret });
  const substituted = substituteTree(raw, options.env);
  reportEnvironment(substituted, report);
  const config = await resolveConfig(substituted, options, report);
  const problems = [...syntax.problems, ...report.problems];
  return config && problems.length === 0 ? { config } : { problems };
}

async function resolveConfig(
  substituted: SubstitutedTree,
  { file, read }: ParseOptions,
  report: Report,
): Promise<Config | undefined> {
  const folder = dirname(resolve(file));
  const first = configSchema.safeParse(substituted.tree, { reportInput: true });
  const coerced = first.success ? undefined : coerce(substituted, first.error.issues);
  const tree = coerced ?? substituted.tree;
  const result = coerced === undefined ? first : configSchema.safeParse(tree, { reportInput: true });
  if (!result.success) reportIssues(result.error.issues, tree, configJsonSchema(), report);

  const top = isRecord(tree) ? tree : {};
  const settings = salvage(configSchema, tree);
  const given = { source: top["source"], destinations: top["destinations"], exports: top["exports"] };

  for (const section of ["destinations", "exports"] as const) {
    for (const name of isRecord(given[section]) ? Object.keys(given[section]) : []) {
      if (NAME.test(name)) continue;
      const fix = "Write 1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit.";
      report.add([section, name], "not a name", fix, "key");
    }
  }
  const source = resolveSource(salvage(sourceSchema, given.source), folder);
  const named = isRecord(given.source)
    ? ["clickhouse", "embedded"].filter((key) => Object.hasOwn(given.source as object, key))
    : [];
  if (isRecord(given.source) && named.length !== 1) {
    const problem = named.length === 0 ? "names neither clickhouse nor embedded" : "names both clickhouse and embedded";
    report.add(["source"], problem, "Keep one of the two.", "key");
  }
  if (source?.kind === "clickhouse" && source.caFile !== undefined) {
    await read(source.caFile).catch(() => {
      report.add(
        ["source", "clickhouse", "ca_file"],
        "cannot be read",
        "Write the path of a PEM file, relative to the YAML file.",
      );
    });
  }

  const destinations: Record<string, DestinationOptions> = {};
  for (const [name, one] of Object.entries(isRecord(given.destinations) ? given.destinations : {})) {
    const parsed = destinationSchema.safeParse(one);
    if (parsed.success) destinations[name] = resolveDestination(parsed.data, ["destinations", name], folder, report);
  }

  const origin = (path: Parameters<typeof pathKey>[0]) => substituted.origins.get(pathKey(path));
  const shared: Shared = {
    report,
    folder,
    destinations: isRecord(given.destinations) ? Object.keys(given.destinations) : [],
    hasSalt: Object.hasOwn(top, "hash_salt"),
    salt: settings.hash_salt ?? "",
    posthogUrl: settings.posthog_url ?? "",
    limits: settings.limits ?? {},
    read,
    wholeFromEnv: (path) => origin(path)?.whole ?? false,
    fromEnv: (path) => origin(path) !== undefined,
  };
  const exports: ExportDefinition[] = [];
  const written = Object.entries(isRecord(given.exports) ? given.exports : {});
  if (isRecord(given.exports) && written.length === 0) {
    report.add(["exports"], "names no export", "Write at least one; `replayport init` shows how.", "key");
  }
  for (const [name, one] of written) {
    if (!isRecord(one)) continue;
    const definition = await resolveExport(name, salvage(exportSchema, one), new Set(Object.keys(one)), shared);
    if (definition) exports.push(definition);
  }
  checkCollisions(exports, destinations, report);
  for (const definition of exports) {
    const destination = destinations[definition.destination];
    if (destination) checkForDestination(definition, destination, report);
  }
  const redis = settings.redis && resolveRedis(settings.redis, folder);
  const secrets = [...collectSecrets(substituted, secretPaths(configJsonSchema())), redis?.password ?? ""].filter(
    Boolean,
  );
  return (
    source && {
      file: resolve(file),
      source,
      destinations,
      exports,
      redis,
      fleet: resolveFleet(settings.fleet),
      http: resolveHttp(settings.http),
      alerts: settings.alerts && resolveAlerts(settings.alerts),
      telemetry: resolveTelemetry(settings.telemetry),
      secrets: secrets.sort((a, b) => b.length - a.length),
    }
  );
}
