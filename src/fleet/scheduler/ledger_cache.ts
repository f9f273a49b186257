/**
 * The ledgers in memory, as far as `due` needs them. Read from the destination once, then updated with what workers report,
 * and by reading a range again before anything in it is enqueued. So an idle tick reads nothing.
 */
import type { Coverage, Destination } from "../../../destinations/destination.ts";
import { type Audit, readAudit } from "../../audit/receipt.ts";
import type { ExportDefinition } from "../../export/definition.ts";
import { readCoverage } from "../../export/ledger.ts";
import { isSwept, type Sweep } from "../../intervals/due.ts";
import { gaps } from "../../intervals/coverage.ts";
import { type Interval, overlaps } from "../../intervals/interval.ts";
import { hasEnded, isOpen, readTime } from "../../intervals/watermark.ts";

/**
 * Joins neighbours that `due` can't tell apart, so that an export of years takes a handful of entries. Open receipts stay as they are.
 * Closed ones form kinds: those that need no other read, those that will be swept, and so on. Each kind is joined by itself. Sorted by start.
 */
export function compact(covered: Iterable<Coverage>, sweep: Sweep | undefined, audited?: Date): Coverage[] {
  const byStart = (a: Coverage, b: Coverage): number => a.interval.start.getTime() - b.interval.start.getTime();
  const joined: Coverage[] = [];
  /** The last one of each kind. */
  const lasts = new Map<number, Coverage>();
  for (const one of [...covered].sort(byStart)) {
    const kind = kindOf(one, sweep, audited);
    const last = kind === undefined ? undefined : lasts.get(kind);
    const next = last && one.interval.start <= last.interval.end ? join(last, one) : undefined;
    if (last && next) joined[joined.indexOf(last)] = next;
    else joined.push(one);
    if (kind !== undefined) lasts.set(kind, next ?? one);
  }
  return joined;
}

/**
 * What `due` asks of a closed receipt: is it swept, valid, with a watermark, read before or after the last audit? Two receipts that have
 * the same answers give them as one, too: the later of their reads isn't a sweep of the later of their ends, unless both are.
 */
function kindOf(one: Coverage, sweep: Sweep | undefined, audited: Date | undefined): number | undefined {
  if (isOpen(one)) return undefined;
  const answers = [
    sweep === undefined || isSwept(one, sweep),
    hasEnded(one),
    one.watermark === undefined,
    audited !== undefined && readTime(one) >= audited.getTime(),
  ];
  return answers.reduce((bits, answer) => bits * 2 + Number(answer), 0);
}

/** Undefined if the later read has the lower watermark: an open receipt from between them would then see a wrong one. */
function join(one: Coverage, other: Coverage): Coverage | undefined {
  const [earlier, later] = readTime(one) <= readTime(other) ? [one, other] : [other, one];
  if (earlier.watermark && later.watermark && earlier.watermark > later.watermark) return undefined;
  const latest = (a: Date, b: Date): Date => (a > b ? a : b);
  return {
    interval: { start: one.interval.start, end: latest(one.interval.end, other.interval.end) },
    readAt: new Date(readTime(later)),
    watermark: later.watermark,
    committedAt: latest(one.committedAt, other.committedAt),
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
    // Somebody has removed what memory has in this range and the ledger no longer does. A joined entry can't be cut again.
    const lost = gaps(
      range,
      found.map(({ interval }) => interval),
    );
    if (this.#known.get(definition.name)?.some(({ interval }) => lost.some((one) => overlaps(one, interval))))
      await this.readAll(definition, destination, now, signal);
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
