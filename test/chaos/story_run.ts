/** Plays a story: a source that changes, and a worker that loads, dies and repeats, under a clock of their own. */
import assert from "node:assert/strict";
import { DEFAULT_PATH } from "../../destinations/lake/index.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { interval, overlaps } from "../../src/intervals/interval.ts";
import { parseSchedule } from "../../src/intervals/schedule.ts";
import type { Condition } from "../../src/models/model.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { kindOf } from "../destinations/lake/chaos_target.ts";
import { NO_RULES, REPLAYS } from "../support/definitions.ts";
import { type Row, withoutVersion } from "../support/replay_rows.ts";
import type { ReplaySource } from "../support/replay_source.ts";
import type { Setup, StoryEvent } from "./story.ts";
import { StoryReader } from "./story_reader.ts";
import { isAsFull, SESSIONS, StorySource } from "./story_source.ts";
import { deadline, nth, StoryWorkers } from "./story_workers.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 9, 1);
/** Few turns for a sweep, so that a story has many sweeps, and few loads of nothing. */
const TURN = 4 * HOUR;
const SWEEP_AFTER = 6 * HOUR;
const MOST_AUDITS = 5;

/** Few rows per file, so that batches are cut into several files. */
export const DEFINITION: ExportDefinition = {
  ...REPLAYS,
  start: new Date(START),
  schedule: parseSchedule("0 */4 * * *"),
  lookbackMs: 2 * DAY,
  path: DEFAULT_PATH,
  rowsPerFile: 3,
};

const SWEEP = { schedule: parseSchedule("@daily"), afterMs: SWEEP_AFTER };

const LAYOUTS = [
  { path: DEFAULT_PATH, format: "parquet", compression: "zstd" },
  { path: "{export}/{year}/{month}", format: "parquet", compression: "zstd" },
  { path: DEFAULT_PATH, format: "jsonl", compression: "gzip" },
] as const satisfies readonly Partial<ExportDefinition>[];

/** Conditions of an export, and whether a row matches them. */
const WHERE: readonly { readonly where: readonly Condition[]; readonly matches: (row: Row) => boolean }[] = [
  { where: [], matches: () => true },
  {
    where: [{ column: "click_count", op: "range", min: 4 }],
    matches: (row) => Number(row["clicks"]) >= 4,
  },
  {
    where: [{ column: "is_deleted", op: "equal", value: false }],
    matches: (row) => row["deleted"] === false,
  },
];

export class StoryRun {
  readonly #time = { now: START + 30 * MINUTE };
  #where = 0;
  /** Whether the conditions have changed since the first load: the operator has to load everything again. */
  #outdated = false;
  /** Whether rows went away for a while: an audit can't repair what was away when it was read again. */
  #hidden = false;
  readonly #source: StorySource;
  readonly #reader: StoryReader;
  readonly #workers: StoryWorkers;
  readonly #target: ChaosTarget;
  readonly #count: (what: string) => void;

  /** @param count called for each thing that has really happened */
  constructor(
    replays: ReplaySource,
    target: ChaosTarget,
    { keepReplacedMs, sweep, where }: Setup,
    stage: string,
    count: (what: string) => void,
  ) {
    const time = this.#time;
    const now = (): number => time.now;
    // A sweep finds what comes some hours late; without it, each interval is read once.
    const source = new StorySource(replays, now, START, sweep ? SWEEP_AFTER - HOUR : DEFINITION.settleMs - MINUTE);
    const reader = new StoryReader(target, now, keepReplacedMs);
    const definition = { ...DEFINITION, sweep: sweep ? SWEEP : undefined };
    this.#workers = new StoryWorkers(definition, { time, source, reader, target, keepReplacedMs, stage, count });
    this.#source = source;
    this.#reader = reader;
    this.#target = target;
    this.#count = count;
    this.#select(where);
  }

  async play(event: StoryEvent): Promise<void> {
    const happened = await this.#play(event);
    if (happened !== false) this.#count(typeof happened === "string" ? `${event.kind}: ${happened}` : event.kind);
  }

  /** @returns false if nothing has happened, or how it ended */
  async #play(event: StoryEvent): Promise<string | boolean | void> {
    switch (event.kind) {
      case "row": {
        const { session, size, lateMinutes, ageHours } = event;
        return this.#source.record(session, size, lateMinutes * MINUTE, -ageHours * HOUR);
      }
      case "tag":
        return this.#source.tag(event.session, event.tag);
      case "delete":
        return this.#source.delete(event.session, event.odd ? 20 * DAY : 0);
      case "merge":
        return await this.#source.merge();
      case "wait":
        this.#time.now += event.minutes * MINUTE;
        return;
      case "purge":
        return (await this.#source.reduce("is_deleted = 1")) > 0;
      case "retention": {
        const until = Math.floor((this.#time.now - event.hours * HOUR) / 1000);
        return (await this.#source.reduce(`min_first_timestamp < toDateTime(${until})`)) > 0;
      }
      case "hide": {
        const hidden = await this.#source.hide(event.session, event.all);
        this.#hidden ||= hidden;
        return hidden;
      }
      case "show":
        return await this.#source.show();
      case "away":
        return this.#source.stop();
      case "back":
        return this.#source.resume() > 0;
      case "outage": {
        this.#source.stop();
        for (const session of event.sessions) {
          this.#source.record(session, 2, 0, 0);
          this.#time.now += HOUR;
        }
        this.#time.now += event.hours * HOUR;
        await this.#workers.loadDue();
        this.#source.resume();
        return;
      }
      case "load": {
        const due = await this.#workers.due();
        const from = event.pick % Math.max(1, due.length);
        const some = [...due.slice(from), ...due.slice(0, from)].slice(0, event.count);
        for (const one of some) await this.#workers.load(one, event);
        return some.length > 0;
      }
      case "reload": {
        const one = nth(await this.#workers.covered(), event.pick);
        return one !== undefined && (await this.#workers.load(one, event));
      }
      case "join": {
        const length = event.hours * HOUR;
        const count = Math.floor((this.#time.now - DEFINITION.settleMs - START) / length);
        const start = START + (event.pick % Math.max(1, count)) * length;
        return count > 0 && (await this.#workers.load(interval(start, start + length), event));
      }
      case "race":
        return await this.#workers.race(event);
      case "interleave":
        return await this.#workers.interleave(event.pick, event.turns);
      case "together": {
        const due = await this.#workers.due();
        const first = event.pick % Math.max(1, due.length);
        const two = due.slice(first, first + 2);
        await Promise.all(two.map((one) => this.#workers.attempt(this.#workers.open(), one)));
        await this.#reader.look();
        return two.length > 1;
      }
      case "skew":
        return await this.#workers.skew(event.pick, event.minutes * MINUTE);
      case "truncate":
        return await this.#workers.truncate(event.pick, event.keep);
      case "rules": {
        const rules = { ...NO_RULES, exclude: event.exclude ? ["keypress_count"] : [] };
        return this.#change({ selection: { ...this.#workers.definition.selection, rules } });
      }
      case "layout":
        return this.#change(LAYOUTS[event.layout % LAYOUTS.length] ?? {});
      case "where": {
        const changes = this.#where !== event.where;
        this.#outdated ||= changes;
        this.#select(event.where);
        return changes;
      }
      case "audit": {
        const found = await this.#workers.audit();
        return found !== undefined && (found.lacking.length > 0 ? "something lacks" : "all well");
      }
      case "foreign":
        return await this.#workers.foreign(event.pick);
      case "copy":
        return await this.#target.files?.restamp(new Date(this.#time.now));
      case "lose":
        return await this.#lose(event.pick);
      case "gc": {
        const found = await Array.fromAsync(this.#workers.open().collectGarbage?.(true, deadline()) ?? []);
        // Rows of dead attempts go, which readers may have seen. Their intervals have no receipt.
        await this.#reader.forget();
        return found.some(({ removed }) => removed);
      }
      case "query":
        return await this.#query();
      default:
        event satisfies never;
    }
  }

  /** Everything has arrived, and is loaded: what is due, and then what audits find. */
  async end(expected: () => Promise<Row[]>): Promise<void> {
    this.#source.resume();
    await this.#source.show();
    // All that has arrived is swept.
    this.#time.now += SWEEP_AFTER + DAY + HOUR;
    // PostHog lives: a newer row than all shows that what was missing has come.
    this.#source.record(SESSIONS, 1, 0, 0);
    this.#time.now = Math.ceil((this.#time.now + MINUTE) / TURN) * TURN + 2 * DEFINITION.settleMs;
    await this.#workers.loadDue();
    if (this.#outdated) for (const one of await this.#workers.covered()) await this.#workers.load(one, {});
    const rows = await expected();
    const late = this.#source.late;
    await this.#converged(rows, late);
    await this.#repair();
    // What was replaced goes with the next load.
    this.#time.now += TURN;
    await this.#workers.loadDue();
    await this.#converged(rows, new Set());
    await this.#query();
  }

  /** Audits, and loads what they find, until they find nothing. */
  async #repair(): Promise<void> {
    for (let round = 0; round < MOST_AUDITS; round += 1) {
      const found = await this.#workers.audit();
      const lacking = found?.lacking ?? [];
      if (lacking.length === 0) return;
      this.#count("audit at the end: something lacks");
      await this.#workers.loadDue();
      const unrepaired = lacking.filter((one) => one.unrepaired);
      // Read again when its rows were away: the operator loads it by hand.
      assert.ok(unrepaired.length === 0 || this.#hidden, `read again, and still lacking: ${text(unrepaired)}`);
      for (const one of await this.#workers.covered())
        if (unrepaired.some((hour) => overlaps(hour.interval, one))) await this.#workers.load(one, {});
    }
    assert.fail("audits find something again and again");
  }

  /** @param late sessions that only an audit finds */
  async #converged(expected: readonly Row[], late: ReadonlySet<string>): Promise<void> {
    const { reduced } = this.#source;
    const { matches } = WHERE[this.#where] ?? assert.fail();
    const known = await this.#target.rows();
    const isMeasured = ({ key }: Row): boolean => !reduced.has(key) && !late.has(key);
    assert.deepEqual(
      known
        .filter((row) => isMeasured(row) && this.#isShown(row))
        .map((row) => this.#target.shown(withoutVersion(row))),
      expected.filter((row) => isMeasured(row) && matches(row)).map((row) => this.#target.shown(row)),
    );
    for (const source of expected.filter(({ key }) => reduced.has(key) && !late.has(key))) {
      const row = known.find(({ key }) => key === source.key);
      // The source has forgotten its first rows, so it may count as new, and is then not exported: nobody would see it anyway.
      const none = !matches(source) && (row === undefined || !this.#isShown(row));
      assert.ok(none || (row && isAsFull(row, source)), `it is ${text(row)}, the source still has ${text(source)}`);
    }
  }

  #isShown(row: Row): boolean {
    return this.#workers.definition.selection.where.length === 0 || row["matches"] !== false;
  }

  async #query(): Promise<boolean> {
    if (!this.#target.files) return false;
    const rows = (await this.#target.rows()).filter((row) => this.#isShown(row));
    const answer = await this.#target.files.query(this.#workers.definition.selection.where);
    if (!answer) return false;
    const shown = rows.map((row) => this.#target.shown(withoutVersion(row)));
    assert.deepEqual(answer.map(withoutVersion), shown, "the printed SQL answers something else");
    return rows.length > 0;
  }

  #select(where: number): void {
    this.#where = where;
    this.#change({ selection: { ...this.#workers.definition.selection, where: WHERE[where]?.where ?? [] } });
  }

  #change(definition: Partial<ExportDefinition>): void {
    this.#workers.definition = { ...this.#workers.definition, ...definition };
  }

  async #lose(pick: number): Promise<boolean> {
    const { files } = this.#target;
    const data = (await files?.list())?.data ?? [];
    const file = nth(data, pick);
    // A folder that is named and has no file at all can't be read by a glob.
    if (!files || file === undefined || !data.some((other) => other !== file && kindOf(other) === kindOf(file)))
      return false;
    const keys = await files.keysOf(file);
    for (const key of keys) this.#source.late.add(key);
    await files.remove(file);
    await this.#reader.forget(keys);
    return true;
  }
}

const text = (value: unknown): string => JSON.stringify(value);
