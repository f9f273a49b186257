/**
 * The ledgers in memory, as far as `due` needs them. Read from the destination once, then updated with what workers report,
 * and by reading a range again before anything in it is enqueued. So an idle tick reads nothing.
 */
import type { Coverage, Destination } from "../../../destinations/destination.ts";
import { type Audit, readAudit } from "../../audit/receipt.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { readCoverage } from "../../export/ledger.ts";
import { isSwept, type Sweep } from "../../intervals/due.ts";
import { type Interval, overlaps } from "../../intervals/interval.ts";
import { hasEnded, isOpen, readTime } from "../../intervals/watermark.ts";

/**
 * Joins neighbours that `due` cannot tell apart: closed ones that were read late enough to need no sweep, or all closed ones
 * where there is no sweep. An export of years takes a handful of entries then. Sorted by start.
 */
export function compact(covered: Iterable<Coverage>, sweep: Sweep | undefined, audited?: Date): Coverage[] {
  const sorted = [...covered].sort((a, b) => a.interval.start.getTime() - b.interval.start.getTime());
  const settled = (one: Coverage): boolean => !isOpen(one) && (sweep === undefined || isSwept(one, sweep));
  const joined: Coverage[] = [];
  for (const one of sorted) {
    const last = joined.at(-1);
    if (last && one.interval.start <= last.interval.end && settled(last) && settled(one) && alike(last, one, audited)) {
      joined[joined.length - 1] = join(last, one);
    } else {
      joined.push(one);
    }
  }
  return joined;
}

/**
 * Both valid or neither, with or without a watermark, before or after the last audit: the joined entry then says what both say.
 */
function alike(one: Coverage, other: Coverage, audited: Date | undefined): boolean {
  const isSince = (each: Coverage): boolean => audited !== undefined && readTime(each) >= audited.getTime();
  return (
    hasEnded(one) === hasEnded(other) &&
    (one.watermark === undefined) === (other.watermark === undefined) &&
    isSince(one) === isSince(other)
  );
}

function join(one: Coverage, other: Coverage): Coverage {
  const later = (a: Date, b: Date): Date => (a > b ? a : b);
  const [a, b] = [one.watermark, other.watermark];
  return {
    interval: { start: one.interval.start, end: later(one.interval.end, other.interval.end) },
    readAt: later(one.readAt, other.readAt),
    watermark: a && b && later(a, b),
    committedAt: later(one.committedAt, other.committedAt),
  };
}

/** Less than the time between two ticks. */
const FRESH_MS = 50_000;

export class Ledgers {
  readonly #known = new Map<string, readonly Coverage[]>();
  readonly #readAt = new Map<string, Date>();
  readonly #audits = new Map<string, Audit>();

  /** Undefined before the first read. */
  get(name: string): readonly Coverage[] | undefined {
    return this.#known.get(name);
  }

  /** The last audit that was read. */
  audit(name: string): Audit | undefined {
    return this.#audits.get(name);
  }

  /** Everything is read again: an audit has ended. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  async readAll(definition: ExportDefinition, destination: Destination, now: Date, signal: AbortSignal): Promise<void> {
    const { name, sweep } = definition;
    const covered = await readCoverage(destination, signal);
    const audit = definition.audit && (await readAudit(destination, signal));
    if (audit) this.#audits.set(name, audit);
    this.#known.set(name, compact(covered, sweep, audit?.readAt));
    this.#readAt.set(definition.name, now);
  }

  /**
   * Reads a range again, since somebody else may have loaded something there. Skipped if the ledger was read within the last
   * minute: workers check before they load, so a miss costs one job, while a read may cost money.
   */
  async readRange(
    definition: ExportDefinition,
    destination: Destination,
    range: Interval,
    now: Date,
    signal: AbortSignal,
  ): Promise<void> {
    const readAt = this.#readAt.get(definition.name);
    if (readAt && Math.abs(now.getTime() - readAt.getTime()) < FRESH_MS) return;
    const found = await Array.fromAsync(destination.covered(range, signal));
    this.#readAt.set(definition.name, now);
    for (const one of found) this.add(definition, one);
    // Somebody has removed what memory has in this range and the ledger no longer does.
    const isLost = ({ interval }: Coverage): boolean =>
      overlaps(interval, range) && !found.some((other) => overlaps(other.interval, interval));
    const known = this.#known.get(definition.name);
    if (known?.some(isLost))
      this.#known.set(
        definition.name,
        known.filter((one) => !isLost(one)),
      );
  }

  add(definition: ExportDefinition, covered: Coverage): void {
    const known = this.#known.get(definition.name);
    if (!known) return;
    // A batch replaces those that it covers.
    const rest = known.filter(
      ({ interval, committedAt }) =>
        interval.start < covered.interval.start ||
        interval.end > covered.interval.end ||
        committedAt > covered.committedAt,
    );
    this.#known.set(
      definition.name,
      compact([...rest, covered], definition.sweep, this.audit(definition.name)?.readAt),
    );
  }
}
