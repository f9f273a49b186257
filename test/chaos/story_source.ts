/** PostHog's side of a story: rows that arrive, late or not, merge, go away for a while or for ever. */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Source, SourceInfo } from "../../src/export/source.ts";
import type { Model } from "../../src/models/model.ts";
import type { Row } from "../support/replay_rows.ts";
import type { PartialRow, ReplaySource } from "../support/replay_source.ts";

/** Sessions of a story have the numbers from 0 up to this; the last one only shows that PostHog lives. */
export const SESSIONS = 8;

export class StorySource {
  /** Sessions of which the source has dropped rows: it isn't the measure for them any more. */
  readonly reduced = new Set<string>();
  /** Sessions with rows that became visible too late for any load but one that the audit asks for. */
  readonly late = new Set<string>();
  /** When each session began, in microseconds. */
  readonly #known = new Map<number, number>();
  /** Rows that are visible, but not yet in the table: one INSERT takes many. */
  #unwritten: PartialRow[] = [];
  /** What waits in Kafka; undefined while the consumer runs. */
  #waiting: PartialRow[] | undefined;
  /** The newest `_timestamp` that was visible when the consumer went away. */
  #newest = 0;
  #serial = 0;
  readonly #replays: ReplaySource;
  readonly #now: () => number;
  readonly #start: number;
  readonly #sweptMs: number;
  readonly #models = new Map<string, Model>();

  /**
   * @param start of the export
   * @param sweptMs what becomes visible later than this after its `_timestamp` may be missed by every load, and is found by the audit
   */
  constructor(replays: ReplaySource, now: () => number, start: number, sweptMs: number) {
    this.#replays = replays;
    this.#now = now;
    this.#start = start;
    this.#sweptMs = sweptMs;
  }

  /** A block of a recording. `aheadMs`: by which the client's clock is ahead; negative if the session began earlier. */
  record(session: number, size: number, lateMs: number, aheadMs: number): void {
    const ingested = Math.max(this.#start, this.#now() - lateMs);
    const first = ingested + aheadMs - size * 60_000;
    const firstMicros = this.#micros(first);
    this.#known.set(session, Math.min(firstMicros, this.#known.get(session) ?? firstMicros));
    this.#arrive({
      team: 1 + (session % 2),
      session: `session-${session}`,
      firstMicros,
      lastMicros: this.#micros(first + size * 30_000),
      ingested: Math.floor(ingested / 1000),
      url: `https://app.example.com/page-${size}`,
      clicks: size,
      ...(size > 3 ? { retention: size * 30, score: size / 10 } : {}),
      ...(session % 3 === 0 ? { mobile: true } : {}),
    });
  }

  /** @returns whether the session is known */
  tag(session: number, tag: number): boolean {
    return this.#touch(session, (start) => start + 1, { tags: [`tag ${tag}`], messages: 0 });
  }

  /** @param behindMs by which the clock of whoever deletes is behind */
  delete(session: number, behindMs: number): boolean {
    const at = this.#micros(this.#now() - behindMs);
    return this.#touch(session, () => at, { deleted: true });
  }

  async merge(): Promise<void> {
    await this.write();
    await this.#replays.merge();
  }

  /** @returns how many sessions have lost rows */
  async reduce(where: string): Promise<number> {
    await this.write();
    const keys = await this.#replays.remove(where);
    for (const key of keys) this.reduced.add(key);
    return keys.length;
  }

  async hide(session: number, all: boolean): Promise<boolean> {
    await this.write();
    const half = all ? "" : " AND toUnixTimestamp(_timestamp) % 2 = 0";
    return await this.#replays.hide(`session_id = 'session-${session}'${half}`);
  }

  async show(): Promise<void> {
    await this.write();
    for (const key of await this.#replays.show()) this.late.add(key);
  }

  /** PostHog's consumer is away. */
  stop(): void {
    this.#waiting ??= [];
  }

  /** @returns how many rows have waited */
  resume(): number {
    const arrived = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const row of arrived.toSorted((a, b) => a.ingested - b.ingested)) this.#arrive(row);
    return arrived.length;
  }

  /** Everything that is visible is in the table then. */
  async write(): Promise<void> {
    const rows = this.#unwritten;
    this.#unwritten = [];
    if (rows.length > 0) await this.#replays.insert(rows);
  }

  /**
   * For one load: its clock is the story's, and its table is described once.
   * @param keep percent of each answer that arrive, without an error
   */
  async open(keep?: number): Promise<Source> {
    await this.write();
    const { source } = this.#replays;
    const info = (): SourceInfo => ({ name: "the story", version: "26.1", now: new Date(this.#now()) });
    return {
      info: async () => await Promise.resolve(info()),
      model: async (definition, signal) => {
        const id = JSON.stringify(definition.selection);
        const model = this.#models.get(id) ?? (await source.model(definition, signal));
        this.#models.set(id, model);
        return model;
      },
      count: async (query, purpose, signal) => ({ ...(await source.count(query, purpose, signal)), info: info() }),
      numbers: async (query, purpose, signal) => await source.numbers(query, purpose, signal),
      texts: async (query, purpose, signal) => await source.texts(query, purpose, signal),
      async extract(query, format, compression, purpose, signal) {
        const extract = await source.extract(query, format, compression, purpose, signal);
        if (keep === undefined) return extract;
        const whole = await buffer(extract.stream);
        return { ...extract, stream: Readable.from([whole.subarray(0, Math.floor((whole.length * keep) / 100))]) };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  /** Rows that carry no recording: tags at the session's start, a marker at the deletion. */
  #touch(session: number, at: (start: number) => number, change: Partial<PartialRow>): boolean {
    const start = this.#known.get(session);
    if (start === undefined) return false;
    this.#arrive({
      team: 1 + (session % 2),
      session: `session-${session}`,
      firstMicros: at(start),
      lastMicros: at(start),
      ingested: Math.floor(this.#now() / 1000),
      ...change,
    });
    return true;
  }

  #arrive(row: PartialRow): void {
    if (this.#waiting) {
      this.#waiting.push(row);
      return;
    }
    // At or below a watermark that was shown already, and so late that its day may have been swept.
    if (row.ingested <= this.#newest && this.#now() - row.ingested * 1000 > this.#sweptMs) this.late.add(keyOf(row));
    this.#newest = Math.max(this.#newest, row.ingested);
    this.#unwritten.push(row);
  }

  /** Makes every time differ. */
  #micros(ms: number): number {
    this.#serial += 1;
    return ms * 1000 + (this.#serial % 1000);
  }
}

const keyOf = ({ team, session }: PartialRow): string => `${team}/${session}`;

/**
 * Whether a row that the destination has kept tells as much as what is left in the source, by the order of reads: of two that
 * lack different rows, the one with the larger sum of its counters wins. A click of a story weighs more than all messages.
 */
export function isAsFull(row: Row, source: Row): boolean {
  if (row["deleted"] !== source["deleted"]) return row["deleted"] === true;
  const more = (name: string): number => Number(row[name]) - Number(source[name]);
  return (more("clicks") || more("messages")) >= 0;
}
