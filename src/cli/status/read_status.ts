/** Asks each export's destination what is loaded, all of them side by side, and the fleet what it's doing. */
import pLimit, { type LimitFunction } from "p-limit";
import type { Receipt } from "../../../destinations/destination.ts";
import { lackingOf, readAudit } from "../../audit/receipt.ts";
import { lastAuditOf } from "../../audit/summary.ts";
import { isInvalidConfig } from "../../config/missing.ts";
import { giveUp, ReplayportError } from "../../errors.ts";
import { type ExportDefinition, fingerprint } from "../../export/definition.ts";
import { ledgerState } from "../../export/ledger.ts";
import { silentSince } from "../../export/silence.ts";
import { conditionOf } from "../../fleet/condition.ts";
import type { ExportStatus, FleetError } from "../../fleet/fleet.ts";
import { fleetError } from "../../fleet/fleet_error.ts";
import { ALL_TIME } from "../../intervals/interval.ts";
import { lateness } from "../../intervals/lateness.ts";
import { exportedColumns } from "../../models/session_replays_query.ts";
import { answerWithin } from "../answer_within.ts";
import type { Context } from "../context.ts";
import { errorFields } from "../log.ts";
import { outdatedLoads } from "../outdated.ts";
import type { LedgerFacts, StatusRow } from "./export_status.ts";

/** How many exports of one destination are read at once. */
const AT_ONCE = 16;
/** The source's clock decides little here, so it gets little time. */
const CLOCK_MS = 3_000;
const FLEET_MS = 10_000;
/** Loads to list for each export, as the fleet does. */
const RECENT = 24;

export interface StatusOptions {
  /** For each export. */
  readonly timeoutMs: number;
}

type FleetStatuses = ReadonlyMap<string, ExportStatus> | FleetError | undefined;

/**
 * Never rejects because of one export: its row has the error.
 * @throws ReplayportError `config.invalid` if each export needs a variable that is missing
 */
export async function readStatuses(
  context: Context,
  definitions: readonly ExportDefinition[],
  { timeoutMs }: StatusOptions,
  signal: AbortSignal,
): Promise<StatusRow[]> {
  const refused = new Map(definitions.map((one) => [one, refusalOf(context, one)]));
  const able = definitions.filter((one) => refused.get(one) === undefined);
  const fleet = askFleet(context, able, signal);
  const destinations = new Map<string, Asked>();
  const rows = await Promise.all(
    definitions.map(async (definition) => {
      const refusal = refused.get(definition);
      if (refusal) return { ...UNKNOWN, export: definition.name, ledgerError: errorOf(context, refusal) };
      const asked = destinations.get(definition.destination) ?? { limit: pLimit(AT_ONCE), silent: undefined };
      destinations.set(definition.destination, asked);
      const clock = clockOf(context, definition, signal);
      const ledger = await asked.limit(
        async () => await readLedger(context, definition, clock, timeoutMs, asked, signal),
      );
      return rowOf(context, definition, await clock, ledger, await fleet);
    }),
  );
  const errors = rows.map(({ ledgerError }) => ledgerError);
  if (errors[0] && errors.every((error) => error?.code === "config.invalid")) {
    throw new ReplayportError(errors[0].message, giveUp("config.invalid", "Fix the problems above and try again."));
  }
  return rows;
}

/** The error of an export that can't be read for lack of a variable, its own or its destination's. */
function refusalOf(context: Context, definition: ExportDefinition): ReplayportError | undefined {
  try {
    context.destination(definition, "read");
    return undefined;
  } catch (error) {
    // Of any other error, its row says more.
    return isInvalidConfig(error) ? error : undefined;
  }
}

const errorOf = ({ cli }: Context, error: unknown): FleetError =>
  fleetError(error, cli.now(), (text) => cli.redactor.message(text));

/** What is known of an export without reading anything. */
const NOTHING = {
  paused: undefined,
  due: undefined,
  queued: 0,
  running: 0,
  failuresInRow: 0,
  failedIntervals: [],
  loadedUntil: undefined,
  lagSeconds: undefined,
  lateSeconds: undefined,
  nextAt: undefined,
  recentLoads: [],
  gaps: [],
  gapCount: undefined,
  ledgerAt: undefined,
  lastReceipt: undefined,
  lastAudit: undefined,
  lastError: undefined,
} as const satisfies Partial<ExportStatus>;

const UNKNOWN = {
  ...NOTHING,
  state: "unreadable",
  destination: "unknown",
  schedule: "unknown",
  timezone: "unknown",
  location: undefined,
  end: undefined,
  clock: undefined,
  fleetError: undefined,
} as const satisfies Partial<StatusRow>;

/** What the exports of one destination share. */
interface Asked {
  readonly limit: LimitFunction;
  /** The destination didn't answer in time. The exports that still wait for their turn don't ask it. */
  silent: ReplayportError | undefined;
}

interface Clock {
  readonly now: Date;
  /** Set if the clocks differ too much. */
  readonly clock?: string;
}

/** Where the source doesn't answer, the status is that of the ledger, by this machine's clock. */
async function clockOf(context: Context, definition: ExportDefinition, signal: AbortSignal): Promise<Clock> {
  const { cli } = context;
  try {
    const ask = async (stop: AbortSignal): Promise<Date> => await context.agreedNow(definition, stop);
    return { now: await answerWithin("the source", CLOCK_MS, ask, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReplayportError) || error.code !== "source.clock") return { now: cli.now() };
    return { now: cli.now(), clock: cli.redactor.message(`${error.message}. ${error.hint ?? ""}`) };
  }
}

type Ledger =
  | {
      readonly location: string;
      readonly facts: LedgerFacts;
      readonly state: ReturnType<typeof ledgerState>;
      readonly last: Receipt | undefined;
      readonly recent: readonly Receipt[];
    }
  | { readonly location: string | undefined; readonly error: FleetError };

async function readLedger(
  context: Context,
  definition: ExportDefinition,
  clock: Promise<Clock>,
  timeoutMs: number,
  asked: Asked,
  signal: AbortSignal,
): Promise<Ledger> {
  let location: string | undefined;
  try {
    if (asked.silent !== undefined) throw asked.silent;
    const options = context.config.destinations[definition.destination];
    const destination = context.destination(definition, "read");
    location = destination.name;
    const ask = async (stop: AbortSignal) =>
      await Promise.all([Array.fromAsync(destination.receipts(ALL_TIME, stop)), readAudit(destination, stop)]);
    // They are the coverage, too: asking for that as well would list the ledger twice.
    const [receipts, audit] = await answerWithin(location, timeoutMs, ask, signal);
    const sum = (of: (receipt: Receipt) => number): number => receipts.reduce((total, one) => total + of(one), 0);
    const facts: LedgerFacts = {
      intervals: receipts.length,
      rows: sum(({ rows, lost = 0 }) => rows + lost),
      lost: sum(({ lost = 0 }) => lost),
      bytes: sum(({ bytes }) => bytes),
      files: sum(({ files }) => files),
      silentSince: silentSince(receipts),
      audit,
      ...outdatedLoads(definition, options, receipts, markOf(context, definition)),
    };
    const last = receipts.reduce<Receipt | undefined>(
      (newest, one) => (newest && newest.committedAt > one.committedAt ? newest : one),
      undefined,
    );
    const { now } = await clock;
    const recent = receipts.slice(-RECENT);
    return { location, facts, last, recent, state: ledgerState(definition, receipts, now, lackingOf(audit)) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ReplayportError && error.code === "cli.no_answer") asked.silent = error;
    return { location, error: errorOf(context, error) };
  }
}

/** The fingerprint of today's rules. Without a variable that they need, such as the salt, the rest is shown all the same. */
function markOf({ log }: Context, definition: ExportDefinition): string | undefined {
  try {
    const { model, selection } = definition;
    return fingerprint(definition, model.kind === "session_replays" ? exportedColumns(selection) : []);
  } catch (error) {
    if (!isInvalidConfig(error)) throw error;
    log.warn(
      { export: definition.name, ...errorFields(error) },
      "can't tell whether intervals were loaded under other rules",
    );
    return undefined;
  }
}

/** Undefined without a fleet; an error if its Redis doesn't answer. */
async function askFleet(
  context: Context,
  definitions: readonly ExportDefinition[],
  signal: AbortSignal,
): Promise<FleetStatuses> {
  if (!context.config.hasFleet) return undefined;
  try {
    const ask = async (stop: AbortSignal): Promise<readonly ExportStatus[]> => {
      // Loaded here, so that nobody without a fleet waits for the queue's packages.
      const { connectTo } = await import("../fleet_host.ts");
      await using fleet = await connectTo(context, stop, definitions);
      return await fleet.exports(stop);
    };
    const statuses = await answerWithin("the fleet's Redis", FLEET_MS, ask, signal);
    return new Map(statuses.map((one) => [one.export, one]));
  } catch (error) {
    signal.throwIfAborted();
    return errorOf(context, error);
  }
}

function rowOf(
  context: Context,
  definition: ExportDefinition,
  { now, clock }: Clock,
  ledger: Ledger,
  fleet: FleetStatuses,
): StatusRow {
  const known = fleet instanceof Map ? (fleet.get(definition.name) as ExportStatus | undefined) : undefined;
  const fleetProblem = fleet === undefined || fleet instanceof Map ? undefined : (fleet as FleetError);
  const base: ExportStatus = {
    export: definition.name,
    destination: definition.destination,
    schedule: definition.schedule.text,
    timezone: definition.schedule.timezone,
    ...NOTHING,
    ...known,
    ledgerError: "error" in ledger ? ledger.error : undefined,
  };
  const loadedUntil = "error" in ledger ? base.loadedUntil : ledger.state.loadedUntil;
  const { lateSeconds, nextAt } = lateness(definition, loadedUntil, now);
  const shared = {
    location: ledger.location,
    nextAt,
    lateSeconds: "error" in ledger ? loadedUntil && lateSeconds : ledger.state.due === 0 ? 0 : lateSeconds,
    end: definition.end,
    clock,
    fleetError: fleetProblem,
  };
  const row = { ...base, ...shared, ...("error" in ledger ? {} : loaded(ledger, context.cli.now())) };
  return { ...row, state: conditionOf(row, fleet === undefined ? "cron" : "fleet") };
}

function loaded({ state, facts, last, recent }: Exclude<Ledger, { readonly error: FleetError }>, now: Date) {
  const { audit } = facts;
  return {
    ...state,
    ...facts,
    gapCount: state.gaps.length,
    ledgerAt: now,
    lastReceipt: last && {
      interval: last.interval,
      rows: last.rows,
      bytes: last.bytes,
      files: last.files,
      committedAt: last.committedAt,
      silentSince: facts.silentSince,
    },
    recentLoads: recent.map(({ interval, rows, committedAt }) => ({ interval, rows, committedAt })),
    lastAudit: audit && lastAuditOf(audit),
  };
}
