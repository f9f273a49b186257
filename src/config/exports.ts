/** From an export in the YAML to the core's ExportDefinition. */
import { resolve } from "node:path";
import { messageOf, ReplayportError } from "../errors.ts";
import {
  type AuditRule,
  COMPRESSIONS,
  type Compression,
  type ExportDefinition,
  type ModelChoice,
  type QueryLimits,
} from "../export/definition.ts";
import { AUDIT_COLUMNS } from "../models/audit.ts";
import type { Sweep } from "../intervals/due.ts";
import { parseSchedule, type Schedule, SCHEDULE_FORMS } from "../intervals/schedule.ts";
import type { Path } from "./problems/path.ts";
import { checkTemplate } from "./path_collisions.ts";
import type { Report } from "./problems/problems.ts";
import { type Columns, resolveConditions, resolveRules } from "./column_rules.ts";
import { DEFAULT_LIMITS, DEFAULT_PATH, type ExportInput, type LimitsInput } from "./schema.ts";
import { nearest, suggestion } from "./problems/suggest.ts";
import { parseTime } from "./values/times.ts";

/** What all exports share. */
export interface Shared {
  readonly report: Report;
  /** Relative paths start here. */
  readonly folder: string;
  readonly destinations: readonly string[];
  /** Whether the file has a salt, valid or not. */
  readonly hasSalt: boolean;
  readonly salt: string;
  readonly posthogUrl: string;
  readonly limits: LimitsInput;
  /** The text of a file. */
  readonly read: (path: string) => Promise<string>;
  /** Whether the value is one placeholder. */
  readonly wholeFromEnv: (path: Path) => boolean;
  /** Whether any of the value came from the environment. If so, no message may repeat it. */
  readonly fromEnv: (path: Path) => boolean;
}

const PRESETS = ["@hourly", "@daily", "@weekly", "@monthly", "every 5 minutes"];
const EARLIEST = new Date("2000-01-01T00:00:00Z");

function resolveSchedule(text: string | undefined, timezone: string, path: Path, shared: Shared): Schedule | undefined {
  if (text === undefined) return undefined;
  try {
    return parseSchedule(text, timezone);
  } catch (error) {
    const preset = nearest(text, PRESETS);
    const meant = preset === undefined ? "" : `Did you mean "${preset}"? `;
    // The parser's reason may quote the text.
    const reason = shared.fromEnv(path) ? "" : (/ \((.*)\)$/s.exec(messageOf(error))?.[1] ?? "");
    const hint = error instanceof ReplayportError ? error.hint : undefined;
    const message = reason === "" ? "not a schedule" : `not a schedule: ${reason}`;
    shared.report.add(path, message, `${meant}${hint ?? `Write ${SCHEDULE_FORMS}.`}`);
    return undefined;
  }
}

function resolveTime(text: string | undefined, timezone: string, path: Path, report: Report): Date | undefined {
  if (text === undefined) return undefined;
  const time = parseTime(text, timezone);
  if (!("value" in time)) {
    report.add(path, time.problem, time.fix);
    return undefined;
  }
  const { at, micros } = time.value;
  if (micros !== 0)
    report.add(
      path,
      "has a fraction of a second",
      "Write whole seconds: ClickHouse records ingestion times to the second.",
    );
  return at;
}

function checkRange(start: Date | undefined, end: Date | undefined, path: Path, report: Report): void {
  if (start && start < EARLIEST) {
    const fix = "Write the first day to export. PostHog has no older replays.";
    report.add([...path, "start"], "before the year 2000", fix);
  }
  if (start && end && end <= start) report.add([...path, "end"], "not after start", "Write a later time, or no end.");
}

async function resolveModel(input: ExportInput["model"], path: Path, shared: Shared): Promise<ModelChoice | undefined> {
  if (input === "session_replays") return { kind: "session_replays" };
  const file = resolve(shared.folder, input.sql);
  let sql: string;
  try {
    sql = (await shared.read(file)).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    const fix = "Write the path of a file with one SELECT, relative to the YAML file.";
    shared.report.add([...path, "sql"], code === "ENOENT" ? "no such file" : `cannot be read (${code})`, fix);
    return undefined;
  }
  if (sql === "") shared.report.add([...path, "sql"], "the file is empty", "Write one SELECT into it.");
  return { kind: "sql", file, sql, key: [...new Set(input.key)] };
}

function resolveSweep(input: Partial<ExportInput>, timezone: string, path: Path, shared: Shared): Sweep | undefined {
  const { sweep, settle } = input;
  if (sweep === undefined || typeof sweep !== "object") return undefined;
  const schedule = resolveSchedule(sweep.schedule, timezone, [...path, "sweep", "schedule"], shared);
  if (settle !== undefined && sweep.after < settle) {
    const fix = "Make it longer: a sweep reads an interval again, after the first read.";
    shared.report.add([...path, "sweep", "after"], "shorter than settle", fix);
  }
  return schedule && { schedule, afterMs: sweep.after };
}

function resolveAudit(
  { audit, columns, model }: Partial<ExportInput>,
  timezone: string,
  path: Path,
  shared: Shared,
): AuditRule | undefined {
  if (audit === undefined || typeof audit !== "object") return undefined;
  const schedule = resolveSchedule(audit.schedule, timezone, [...path, "audit", "schedule"], shared);
  // Only its author knows which rows a SELECT has for a time.
  const comparable = model === "session_replays" && columns?.exclude?.includes(AUDIT_COLUMNS.start) !== true;
  return schedule && comparable ? { schedule, days: audit.days } : undefined;
}

function resolveLimits(own: LimitsInput, shared: LimitsInput): QueryLimits {
  const time = own.time ?? shared.time;
  return {
    memoryBytes: own.memory ?? shared.memory ?? DEFAULT_LIMITS.memoryBytes,
    seconds: time === undefined ? DEFAULT_LIMITS.seconds : time / 1000,
    threads: own.threads ?? shared.threads ?? DEFAULT_LIMITS.threads,
  };
}

function checkCompression(input: Partial<ExportInput>, path: Path, report: Report): void {
  const { format, compression } = input;
  if (format === undefined || compression === undefined) return;
  const fitting: readonly Compression[] = COMPRESSIONS[format];
  const at = [...path, "compression"];
  if (!fitting.includes(compression)) {
    report.add(at, `does not go with ${format}`, `Write one of: ${fitting.join(", ")}.`);
  }
}

/**
 * Reports what is wrong with the export beyond its schema.
 * @param input the keys that are valid by themselves, with defaults; the others have been reported
 * @param given the keys in the file, valid or not
 * @returns undefined if too little is valid for a definition
 */
export async function resolveExport(
  name: string,
  input: Partial<ExportInput>,
  given: ReadonlySet<string>,
  shared: Shared,
): Promise<ExportDefinition | undefined> {
  const { report } = shared;
  const path: Path = ["exports", name];
  const timezone = input.timezone ?? "UTC";
  const schedule = resolveSchedule(input.schedule, timezone, [...path, "schedule"], shared);
  const start = resolveTime(input.start, timezone, [...path, "start"], report);
  const end = resolveTime(input.end, timezone, [...path, "end"], report);
  checkRange(start, end, path, report);
  const sweep = resolveSweep(input, timezone, path, shared);
  const audit = resolveAudit(input, timezone, path, shared);
  const model = input.model && (await resolveModel(input.model, [...path, "model"], shared));
  checkCompression(input, path, report);

  const template = input.path ?? DEFAULT_PATH;
  checkTemplate(template, [...path, "path"], report);

  if (input.destination !== undefined && !shared.destinations.includes(input.destination)) {
    const fix = suggestion(input.destination, shared.destinations, "destination");
    report.add([...path, "destination"], "no such destination", fix);
  }
  if (!given.has("team_id") && input.model === "session_replays") {
    report.add([...path, "team_id"], "is missing", "Write PostHog's project number, a list of them, or all.");
  }

  const columns: Columns | undefined =
    input.model === undefined
      ? undefined
      : input.model === "session_replays"
        ? { known: true }
        : { known: false, key: input.model.key };
  const { wholeFromEnv } = shared;
  const rules = columns && resolveRules(input.columns ?? {}, columns, [...path, "columns"], report);
  const context = columns && { columns, timezone, report, wholeFromEnv };
  const where = context && resolveConditions(input.where ?? {}, [...path, "where"], context);

  const hashes = (input.columns?.hash?.length ?? 0) > 0;
  if (hashes && !shared.hasSalt) {
    const fix =
      'Write hash_salt: "${REPLAYPORT_HASH_SALT}" at the top of the file, and never change the salt: a different one gives different hashes.';
    report.add([...path, "columns", "hash"], "needs a salt", fix);
  }

  if (!schedule || !start || !model || !rules || !where || input.destination === undefined) return undefined;
  return {
    name,
    model,
    selection: {
      teams: input.team_id ?? "all",
      rules,
      where,
      salt: hashes ? shared.salt : "",
      posthogUrl: shared.posthogUrl,
    },
    destination: input.destination,
    schedule,
    start,
    end,
    settleMs: input.settle ?? 0,
    quietAfterMs: input.quiet_after ?? 0,
    lookbackMs: input.lookback ?? 0,
    sweep,
    audit,
    format: input.format ?? "parquet",
    compression: input.compression ?? "zstd",
    path: template,
    rowsPerFile: input.rows_per_file ?? 1,
    acceptMissingColumns: input.accept_missing_columns ?? [],
    limits: resolveLimits(input.limits ?? {}, shared.limits),
    attemptMs: input.limits?.attempt ?? shared.limits.attempt ?? DEFAULT_LIMITS.attemptMs,
  };
}
